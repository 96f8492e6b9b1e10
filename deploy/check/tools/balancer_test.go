package tools

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/publish"
)

// certificate writes one for this machine, and returns the directory and what a client needs to believe it.
func certificate(t *testing.T) (dir string, believer *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	dir = t.TempDir()
	for name, content := range map[string][]byte{"tls.crt": cert, "tls.key": secret, "tls.pem": append(cert, secret...)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return dir, &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// sample returns a configuration with other places in it; each must be there.
func sample(t *testing.T, path string, places map[string]string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deploy, path))
	if err != nil {
		t.Fatal(err)
	}
	conf := string(b)
	for from, to := range places {
		if !strings.Contains(conf, from) {
			t.Fatalf("%s: %q is not there", path, from)
		}
		conf = strings.ReplaceAll(conf, from, to)
	}
	return conf
}

// balancer is a running nginx or HAProxy.
type balancer struct {
	cmd     *exec.Cmd
	address string
	log     text
}

func (b *balancer) start(t *testing.T, program string, args ...string) {
	t.Helper()
	b.cmd = exec.Command(program, args...)
	b.cmd.Stdout, b.cmd.Stderr = &b.log, &b.log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has workers
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
		_ = b.cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", program, b.log.String())
		}
	})
	until(t, program+" listens", func() bool {
		nc, err := net.Dial("tcp", b.address)
		if err != nil {
			return false
		}
		return nc.Close() == nil
	})
}

// venue runs a NATS server, and publishes one instrument on it.
type venue struct {
	url string
	in  *publish.Instrument
	pub *publish.Publisher
}

func newVenue(t *testing.T) *venue {
	t.Helper()
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	nc, err := nats.Connect(ns.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	v := &venue{url: ns.URL()}
	if v.pub, err = publish.New(nc, publish.Options{Venue: "demo", HeartbeatInterval: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.pub.Close() })
	if v.in, err = v.pub.Define(market.Instrument{Symbol: market.Symbol{Venue: "demo", Name: "X"}, PriceScale: 2}); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *venue) quote(t *testing.T, bid int64) {
	t.Helper()
	if err := v.in.Quote(market.Quote{Bid: bid, BidSize: 1, Has: market.HasBid}); err != nil {
		t.Fatal(err)
	}
	if err := v.pub.Flush(); err != nil {
		t.Fatal(err)
	}
}

// join connects a client through a balancer and follows the instrument. A balancer that has not found a node that has gone
// may refuse it for a moment.
func join(t *testing.T, address string, believer *tls.Config) (c *client.Client) {
	t.Helper()
	until(t, "a client is let in", func() (ok bool) {
		var err error
		c, err = client.Dial(deadline(t), "wss://"+address+"/v1/ws", client.Options{TLS: believer})
		return err == nil
	})
	t.Cleanup(c.Close)
	until(t, "the instrument is known", func() bool {
		reply, err := c.Subscribe(deadline(t), &feedv1.Subscribe{Symbols: []string{"demo:X"}})
		return err == nil && reply.Results[0].Handle != 0
	})
	return c
}

func sees(t *testing.T, c *client.Client, bid int64) {
	t.Helper()
	if err := c.Await(deadline(t), func(m *client.Model) bool { q, ok := m.Quote("demo:X"); return ok && q.Bid == bid }); err != nil {
		t.Fatal(err)
	}
}

// exercise has clients come through a balancer to two nodes, one of which then goes.
func exercise(t *testing.T, v *venue, nodes [2]*node, b *balancer, believer *tls.Config, reload func()) {
	const n = 20
	v.quote(t, 1)
	var clients []*client.Client
	for range n {
		clients = append(clients, join(t, b.address, believer))
	}
	count := func(n *node) int {
		c, err := strconv.Atoi(n.metric(t, "feedd_connections"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if one, two := count(nodes[0]), count(nodes[1]); one+two != n || one < n/4 || two < n/4 {
		t.Errorf("%d and %d clients: want about as many on each node", one, two)
	}
	reload()
	v.quote(t, 2)
	for _, c := range clients {
		sees(t, c, 2)
	}
	overHTTP(t, v, b, believer)
	// A node goes: its clients are told when to come back, and find the other one.
	if code := nodes[0].end(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
	v.quote(t, 3)
	moved := 0
	for _, c := range clients {
		select {
		case <-c.Done():
			var closed *client.CloseError
			if !errors.As(c.Err(), &closed) || closed.Code != 4000 {
				t.Errorf("a client was told %v, want 4000", c.Err())
			}
			moved++
			sees(t, join(t, b.address, believer), 3)
		default:
			sees(t, c, 3)
		}
	}
	if moved < n/4 || count(nodes[1]) != n {
		t.Errorf("%d clients moved, and %d are on the node that is left", moved, count(nodes[1]))
	}
}

// overHTTP has clients without a WebSocket come through a balancer: nothing of a stream is held back, and the requests of a session
// find its node.
func overHTTP(t *testing.T, v *venue, b *balancer, believer *tls.Config) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: believer}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithCancel(deadline(t))
	defer cancel()
	ask := func(method, path, body string) *http.Response {
		req, err := http.NewRequestWithContext(ctx, method, "https://"+b.address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil || resp.StatusCode/100 != 2 {
			t.Fatal(path, resp, err)
		}
		return resp
	}
	reads := func(in *bufio.Reader, words string) {
		t.Helper()
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("%v before %q", err, words)
			}
			if strings.Contains(line, words) {
				return
			}
		}
	}
	const subscribe = `{"id":1,"subscribe":{"symbols":["demo:X"],"cadenceMs":0}}`
	events := ask("GET", "/v1/sse?symbols=demo:X&cadence_ms=0", "")
	defer events.Body.Close()
	stream := ask("POST", "/v1/stream", subscribe)
	defer stream.Body.Close()
	one, two := bufio.NewReader(events.Body), bufio.NewReader(stream.Body)
	for bid := int64(101); bid < 104; bid++ {
		reads(one, `"quoteTexts"`)
		reads(two, `"quoteTexts"`)
		v.quote(t, bid)
		words := fmt.Sprintf(`"bid":"%d.%02d"`, bid/100, bid%100)
		reads(one, words)
		reads(two, words)
		v.quote(t, 2)
	}
	ask("POST", "/v1/stream/"+stream.Header.Get("Feedd-Secret"), `{"id":7,"ping":{}}`).Body.Close()
	reads(two, `"replyTo":7`)
	poll := ask("POST", "/v1/poll", subscribe)
	for n := range 4 {
		poll.Body.Close()
		next := ask("POST", "/v1/poll/"+cmp.Or(poll.Header.Get("Feedd-Secret"), "NONE")+"?wait_ms=50&after="+poll.Header.Get("Feedd-Answer"), fmt.Sprintf(`{"id":%d,"ping":{}}`, n+10))
		next.Header.Set("Feedd-Secret", poll.Header.Get("Feedd-Secret"))
		poll = next
	}
	poll.Body.Close()
	for _, path := range []string{"/v1/stream/" + stream.Header.Get("Feedd-Secret"), "/v1/poll/" + poll.Header.Get("Feedd-Secret")} {
		ask("DELETE", path, "").Body.Close()
	}
}

func twoNodes(t *testing.T, v *venue) [2]*node {
	t.Helper()
	start := func(name string) *node {
		return startNode(t, v.url, "FEEDD_NODE="+name, "FEEDD_TRUSTED_PROXIES=127.0.0.0/8", "FEEDD_DRAIN_WITHIN=20s")
	}
	return [2]*node{start("feedd-1"), start("feedd-2")}
}

func TestNginxBalances(t *testing.T) {
	nginx := tool(t, "nginx")
	v := newVenue(t)
	nodes := twoNodes(t, v)
	certs, believer := certificate(t)
	dir := t.TempDir()
	b := &balancer{address: fmt.Sprintf("127.0.0.1:%d", freePorts(t, 1)[0])}
	conf := sample(t, "nginx/nginx.conf", map[string]string{
		"feedd-1:8080": nodes[0].public, "feedd-2:8080": nodes[1].public, "/etc/nginx/tls": certs, "listen 8443": "listen " + b.address,
		"/var/run/nginx.pid": filepath.Join(dir, "pid"), "worker_processes auto": "worker_processes 2",
		// The system's limit of files is another one here.
		"worker_rlimit_nofile 262144": "worker_rlimit_nofile 4096", "worker_connections 65536": "worker_connections 1024",
		"http {": "http {\n" + temporary(dir),
	})
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-p", dir, "-e", "stderr", "-c", path, "-g", "daemon off;"}
	if out := run(t, dir, nginx, append(args, "-t")...); !strings.Contains(out, "test is successful") || strings.Contains(out, "[warn]") {
		t.Errorf("nginx -t: %s", out)
	}
	b.start(t, nginx, args...)
	exercise(t, v, nodes, b, believer, func() {
		if err := b.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		// New workers answer, old ones keep their clients.
		late := join(t, b.address, believer)
		sees(t, late, 1)
		late.Close()
	})
}

// temporary is where nginx keeps what it cannot keep in memory.
func temporary(dir string) (lines string) {
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		lines += fmt.Sprintf("  %s_temp_path %s;\n", kind, filepath.Join(dir, kind))
	}
	return lines
}

func TestHAProxyBalances(t *testing.T) {
	haproxy := tool(t, "haproxy")
	v := newVenue(t)
	nodes := twoNodes(t, v)
	certs, believer := certificate(t)
	dir := t.TempDir()
	b := &balancer{address: fmt.Sprintf("127.0.0.1:%d", freePorts(t, 1)[0])}
	port := func(address string) string { _, p, _ := net.SplitHostPort(address); return p }
	conf := sample(t, "haproxy/haproxy.cfg", map[string]string{
		"feedd-1:8080 check port 8081": nodes[0].public + " check port " + port(nodes[0].admin),
		"feedd-2:8080 check port 8081": nodes[1].public + " check port " + port(nodes[1].admin),
		"/etc/haproxy/tls.pem":         filepath.Join(certs, "tls.pem"), "bind :8443": "bind " + b.address,
		"maxconn 200000": "maxconn 1000",
	})
	path := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(t, dir, haproxy, "-c", "-f", path); strings.Contains(out, "[WARNING]") || strings.Contains(out, "[ALERT]") {
		t.Errorf("haproxy -c: %s", out)
	}
	b.start(t, haproxy, "-db", "-f", path)
	exercise(t, v, nodes, b, believer, func() {})
}
