package listen

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"go.uber.org/goleak"

	"github.com/feedd/feedd/internal/outbox/tlstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = Networks{netip.MustParsePrefix("127.0.0.0/8")}

// serve answers each request with the address that it comes from.
func serve(t testing.TB, o Options) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	hs := &http.Server{
		ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
		Handler: Forwarded(o.Trusted, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, r.RemoteAddr)
		})),
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := hs.Serve(On(l, o)); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	}()
	t.Cleanup(func() { _ = hs.Close(); <-served })
	return address
}

// ask sends a request behind some bytes, and returns the answer's body; "" where there is none.
func ask(t testing.TB, address string, ahead []byte, secure *tls.Config) string {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := nc.Write(ahead); err != nil {
		return ""
	}
	if secure != nil {
		nc = tls.Client(nc, secure)
	}
	if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return ""
	}
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusOK {
		return r.Status
	}
	return string(body)
}

func header(version byte, from string) []byte {
	at := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))
	h := proxyproto.HeaderProxyFromAddrs(version, at, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 99), Port: 443})
	b, err := h.Format()
	if err != nil {
		panic(err)
	}
	return b
}

func TestAddressesFromLoadBalancers(t *testing.T) {
	server, client := tlstest.Certificate(t)
	for _, secure := range []bool{false, true} {
		o := Options{Proxy: true, Trusted: loopback}
		var c *tls.Config
		if secure {
			o.TLS, c = server, client
		}
		at := serve(t, o)
		o.Trusted = Networks{netip.MustParsePrefix("10.0.0.0/8")}
		elsewhere := serve(t, o)
		for _, version := range []byte{1, 2} {
			if got := ask(t, at, header(version, "203.0.113.7:4711"), c); got != "203.0.113.7:4711" {
				t.Errorf("TLS %v, version %d: from %q", secure, version, got)
			}
			if got := ask(t, elsewhere, header(version, "203.0.113.7:4711"), c); strings.Contains(got, "203.0.113.7") {
				t.Errorf("TLS %v, version %d from a network that is not trusted: believed: %q", secure, version, got)
			}
		}
		if got := ask(t, at, nil, c); got != "" {
			t.Errorf("TLS %v: no header from a load balancer, and yet %q", secure, got)
		}
		if got := ask(t, elsewhere, nil, c); !strings.HasPrefix(got, "127.0.0.1:") {
			t.Errorf("TLS %v: a client without load balancer: %q", secure, got)
		}
	}
}

func TestWithoutOptionsNothingIsPutOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if On(l, Options{Trusted: loopback}) != l {
		t.Error("something lies on a plain listener")
	}
}

// The last address that is not a load balancer's is the client's; all ahead of it may be the client's invention.
func TestForwarded(t *testing.T) {
	trusted, err := ParseNetworks("10.0.0.0/8, fd00::/8 , 192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from  string
		hops  []string
		wants string
	}{
		{"10.0.0.1:5", []string{"203.0.113.7"}, "203.0.113.7:0"},
		{"10.0.0.1:5", []string{"1.1.1.1, 203.0.113.7"}, "203.0.113.7:0"},
		{"10.0.0.1:5", []string{"1.1.1.1, 203.0.113.7, 10.9.9.9"}, "203.0.113.7:0"},
		{"10.0.0.1:5", []string{"1.1.1.1", "203.0.113.7,192.0.2.1"}, "203.0.113.7:0"},
		{"10.0.0.1:5", []string{"10.9.9.9"}, "10.9.9.9:0"},
		{"[fd00::1]:5", []string{"2001:db8::7"}, "[2001:db8::7]:0"},
		{"10.0.0.1:5", []string{"[2001:db8::7]:4711"}, "[2001:db8::7]:0"},
		{"10.0.0.1:5", []string{"203.0.113.7:4711"}, "203.0.113.7:0"},
		{"10.0.0.1:5", []string{"203.0.113.7, unknown"}, "10.0.0.1:5"},
		{"10.0.0.1:5", []string{"203.0.113.7, unknown, 10.0.0.2"}, "10.0.0.2:0"},
		{"10.0.0.1:5", nil, "10.0.0.1:5"},
		{"10.0.0.1:5", []string{""}, "10.0.0.1:5"},
		{"203.0.113.9:5", []string{"127.0.0.1"}, "203.0.113.9:5"}, // a client that lies
		{"@", []string{"127.0.0.1"}, "@"},                         // no address at all
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.from, c.hops
		Forwarded(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.RemoteAddr != c.wants {
				t.Errorf("%s said %q: taken for %s, want %s", c.from, c.hops, r.RemoteAddr, c.wants)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
}

func TestNetworks(t *testing.T) {
	for _, bad := range []string{"10.0.0.0/33", "10.0.0", "here", "10.0.0.0/8 fd00::/8"} {
		if n, err := ParseNetworks(bad); err == nil || !strings.Contains(err.Error(), "want") {
			t.Errorf("%q: %v, %v", bad, n, err)
		}
	}
	if n, err := ParseNetworks(" "); err != nil || n != nil {
		t.Errorf("none: %v, %v", n, err)
	}
	if n, err := ParseNetworks("10.1.2.3/8"); err != nil || !n.holds("10.200.0.1") || n.holds("11.0.0.1") || !n.holds("::ffff:10.0.0.1") {
		t.Errorf("%v, %v", n, err)
	}
}

// Whatever a client sends ahead, the server goes on, and believes no address that no load balancer told.
func FuzzHeader(f *testing.F) {
	at := serve(f, Options{Proxy: true, Trusted: loopback})
	elsewhere := serve(f, Options{Proxy: true, Trusted: Networks{netip.MustParsePrefix("10.0.0.0/8")}})
	good := header(2, "203.0.113.7:4711")
	for _, seed := range [][]byte{nil, good, header(1, "203.0.113.7:4711"), good[:14], []byte("PROXY UNKNOWN\r\n"), []byte("PROXY TCP4 1.1.1.1\r\n"), []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ahead []byte) {
		if len(ahead) > 2000 {
			return
		}
		for _, server := range []string{at, elsewhere} {
			nc, err := net.Dial("tcp", server)
			if err != nil {
				t.Fatal(err)
			}
			_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
			_, _ = nc.Write(slices.Concat(ahead, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")))
			_ = nc.(*net.TCPConn).CloseWrite()
			answer, _ := io.ReadAll(nc)
			nc.Close()
			if server == elsewhere && strings.Contains(string(answer), "200 OK") && !strings.Contains(string(answer), "127.0.0.1:") {
				t.Errorf("believed %q: %s", ahead, answer)
			}
		}
		if got := ask(t, at, good, nil); got != "203.0.113.7:4711" {
			t.Fatalf("the server no longer answers as before: %q", got)
		}
	})
}

// Whoever writes whatever into X-Forwarded-For: what is believed is an address that a trusted one told.
func FuzzForwarded(f *testing.F) {
	trusted, err := ParseNetworks("10.0.0.0/8, 127.0.0.1, fd00::/8")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("10.1.2.3:80", "203.0.113.7, 10.9.9.9")
	f.Add("127.0.0.1:1", "1.1.1.1, nonsense, 10.0.0.1")
	f.Add("203.0.113.7:80", "1.1.1.1")
	f.Add("[fd00::1]:443", "[2001:db8::1]:4711,::ffff:10.0.0.1")
	f.Add("", ",,,")
	f.Fuzz(func(t *testing.T, remote, told string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", told)
		var seen string
		Forwarded(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.RemoteAddr })).ServeHTTP(nil, r)
		if seen == remote {
			return
		}
		at, err := netip.ParseAddrPort(seen)
		if err != nil || !at.Addr().IsValid() {
			t.Fatalf("%q from %q became %q", told, remote, seen)
		}
		if !trusted.holds(remote) {
			t.Fatalf("%q was believed, who is not trusted", remote)
		}
	})
}
