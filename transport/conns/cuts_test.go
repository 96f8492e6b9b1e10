package conns

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/drop"
)

func TestCutsOfIdleConnectionsAreNamed(t *testing.T) {
	const heartbeat = 5 * time.Second
	random := rand.New(rand.NewPCG(1, 2))
	jitter := func() time.Duration { return time.Duration(random.IntN(80)) * time.Millisecond }
	for _, c := range []struct {
		name    string
		silence func() Silence
		apart   time.Duration
		want    [2]int // of 100, at least and at most
	}{
		{"cut for the server's silence", func() Silence {
			return Silence{2*time.Second + jitter(), time.Duration(random.Int64N(int64(25 * time.Second)))}
		}, 3 * time.Second, [2]int{94, 96}},
		{"cut for the client's silence", func() Silence {
			return Silence{time.Duration(random.Int64N(int64(heartbeat))), 10*time.Second + jitter()}
		}, 3 * time.Second, [2]int{94, 97}},
		{"clients that go when they like", func() Silence {
			return Silence{time.Duration(random.Int64N(int64(heartbeat))), time.Duration(random.Int64N(int64(25 * time.Second)))}
		}, 3 * time.Second, [2]int{0, 1}},
		{"all at once, behind the same heartbeat", func() Silence { return Silence{2*time.Second + jitter(), 0} }, time.Millisecond, [2]int{0, 0}},
		{"busy ones", func() Silence { return Silence{200*time.Millisecond + jitter(), 0} }, 3 * time.Second, [2]int{0, 0}},
		{"of which nothing is known", func() Silence { return Silence{} }, 3 * time.Second, [2]int{0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var (
				cuts  Cuts
				drops drop.Counters
				log   bytes.Buffer
				at    = time.Unix(1_700_000_000, 0)
			)
			for range 100 {
				cuts.Ended(at, c.silence(), &drops, slog.New(slog.NewTextHandler(&log, nil)))
				at = at.Add(c.apart)
			}
			n := int(drops.Count(drop.IdleCut))
			if n < c.want[0] || n > c.want[1] {
				t.Errorf("%d of 100 are named, want %d to %d", n, c.want[0], c.want[1])
			}
			if lines := strings.Count(log.String(), "\n"); lines > 5 || lines == 0 != (n == 0) || lines > 0 && !strings.Contains(log.String(), "proxy_read_timeout") {
				t.Errorf("%d lines in the log:\n%s", lines, log.String())
			}
		})
	}
}
