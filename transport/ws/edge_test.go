package ws

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/feedd/feedd/internal/certificate"
	"github.com/feedd/feedd/internal/outbox"
	"github.com/feedd/feedd/internal/outbox/tlstest"
	"github.com/feedd/feedd/transport/listen"
	"github.com/feedd/feedd/transport/ws/wstest"
)

// A connection behind a load balancer writes past what read the PROXY header, straight into the outbox.
func TestBehindALoadBalancer(t *testing.T) {
	server, client := tlstest.Certificate(t)
	for name, secure := range map[string]*tls.Config{"plain": nil, "TLS": server} {
		t.Run(name, func(t *testing.T) {
			r := newRigBehind(t, Options{}, func(l net.Listener) net.Listener {
				return listen.On(l, listen.Options{TLS: secure, Proxy: true, Trusted: listen.Networks{netip.MustParsePrefix("127.0.0.0/8")}})
			})
			c := wstest.Dial(t, relayWithHeader(t, r.addr), wstest.Request{TLS: map[bool]*tls.Config{true: client}[secure != nil], Behind: wstest.Encode(frameText, []byte("early"))})
			if f := c.Read(); string(f.Payload) != "early" {
				t.Fatalf("%q", f.Payload)
			}
			h := <-r.came
			if h.conn.Remote() != "203.0.113.7:4711" || h.conn.entry.Address() != netip.MustParseAddr("203.0.113.7") {
				t.Errorf("taken for %s, counted as %v", h.conn.Remote(), h.conn.entry.Address())
			}
			if _, direct := h.conn.nc.(*net.TCPConn); direct || h.conn.out.(*outbox.Conn).Conn == h.conn.nc {
				t.Errorf("the outbox lies on %T, so writes go round the PROXY header's reader", h.conn.out.(*outbox.Conn).Conn)
			}
			n := stall(t, h)
			for range n {
				c.Read()
			}
			same(t, c, "and on")
			c.Text("close")
			if code, _ := c.ReadClose(); code != 4500 {
				t.Fatalf("close %d", code)
			}
		})
	}
}

// relayWithHeader is a load balancer in front of target, for one connection.
func relayWithHeader(t *testing.T, target string) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { l.Close(); running.Wait() })
	running.Go(func() {
		in, err := l.Accept()
		if err != nil {
			return
		}
		defer in.Close()
		out, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer out.Close()
		h := proxyproto.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(netip.MustParseAddrPort("203.0.113.7:4711")), l.Addr())
		_, _ = h.WriteTo(out)
		running.Go(func() { _, _ = out.(*net.TCPConn).ReadFrom(in); out.Close() })
		_, _ = in.(*net.TCPConn).ReadFrom(out)
	})
	return l.Addr().String()
}

// Certificates come and go, good ones and broken ones, while clients talk: nobody notices but those who connect anew.
func TestCertificatesRotateUnderLoad(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	put := func(cert, key []byte) {
		if err := os.WriteFile(certFile, cert, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(keyFile, key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := tlstest.PEM(t, time.Now().Add(time.Hour))
	put(cert, key)
	files, err := certificate.Open(certFile, keyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := newRigBehind(t, Options{}, func(l net.Listener) net.Listener { return listen.On(l, listen.Options{TLS: files.Config()}) })

	const talkers, rotations = 20, 10
	var said atomic.Int64
	var talking sync.WaitGroup
	stop := make(chan struct{})
	for i := range talkers {
		c := wstest.Dial(t, r.addr, wstest.Request{TLS: tlstest.Trusting(t, cert)})
		talking.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				text := strconv.Itoa(i) + " " + strconv.Itoa(n)
				c.Text(text)
				if f := c.Read(); string(f.Payload) != text {
					t.Errorf("talker %d: %q came back for %q", i, f.Payload, text)
					return
				}
				said.Add(1)
			}
		})
	}
	for n := range rotations {
		cert, key = tlstest.PEM(t, time.Now().Add(time.Hour))
		put(cert, key)
		files.Look()
		same(t, wstest.Dial(t, r.addr, wstest.Request{TLS: tlstest.Trusting(t, cert)}), "with the new certificate")
		put(cert[:len(cert)/2], key)
		files.Look()
		files.Look()
		if files.Stats().Err == nil {
			t.Error("half a certificate is no alarm")
		}
		same(t, wstest.Dial(t, r.addr, wstest.Request{TLS: tlstest.Trusting(t, cert)}), "the broken one does not count")
		before := said.Load()
		eventually(t, func() bool { return said.Load() >= before+talkers || t.Failed() })
		if t.Failed() {
			t.Fatalf("rotation %d", n)
		}
	}
	close(stop)
	talking.Wait()
	if s := r.Stats(); s.Open < talkers || len(s.Closed) > 0 {
		t.Errorf("%d are open, closed %v; nobody was to go", s.Open, s.Closed)
	}
	t.Logf("%d messages went there and back over %d rotations", said.Load(), rotations)
}
