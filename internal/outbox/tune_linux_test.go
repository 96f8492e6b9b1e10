package outbox

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/feedd/feedd/internal/outgoing"
)

func TestSocketOptions(t *testing.T) {
	p := newPair(t, outgoing.Options{})
	for _, o := range []struct {
		name       string
		level, opt int
		want       int
	}{
		{"TCP_NOTSENT_LOWAT", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 4 << 10},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0}, // it ends those that read slowly, too
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
	} {
		got, err := 0, error(nil)
		if e := p.out.raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), o.level, o.opt) }); e != nil {
			t.Fatal(e)
		}
		if err != nil || got != o.want {
			t.Errorf("%s is %d, %v; want %d", o.name, got, err, o.want)
		}
	}
}
