package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// operate runs feedd policy against p and returns what it printed; the exit status must be status.
func operate(t *testing.T, p *process, status int, args ...string) string {
	t.Helper()
	c := command(t, append([]string{"policy", "--admin-url", p.Admin()}, args...)...)
	if got := c.Wait(); got != status {
		t.Fatalf("feedd policy %s: exit status %d, want %d: %s", strings.Join(args, " "), got, status, c.Stderr())
	}
	return c.Text() + c.Stderr()
}

func policyFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
}

func TestPolicyFromTheCommandLine(t *testing.T) {
	t.Parallel()
	p := serve(t)
	has(t, operate(t, p, 0, "show"), "# revision 0: built-in", "tiers:\n  default: {}", "0 sessions")
	has(t, operate(t, p, 0, "example"), "default_tier: free")

	bad := policyFile(t, "tiers:\n  default: {fastest: 0ms}\n")
	has(t, operate(t, p, 1, "validate", bad), bad+":2: ", "write \"immediate\"")
	has(t, operate(t, p, 1, "dry-run", bad), bad+":2: ")
	has(t, operate(t, p, 1, "apply", bad, "--reason", "x"), bad+":2: ")
	good := policyFile(t, "tiers:\n  default: {fastest: 1s}\nrules:\n  - {name: quick, symbols: [\"test:*\"], fastest: 100ms}\n")
	has(t, operate(t, p, 0, "validate", good), "is in order")
	has(t, operate(t, p, 0, "dry-run", good), "would change 0 of 0 lanes, of 0 of 0 sessions")
	has(t, operate(t, p, 2, "apply", good), "--reason TEXT")
	has(t, operate(t, p, 0, "apply", good, "--reason", "fewer bytes"), "apply by local", "fewer bytes")
	has(t, operate(t, p, 1, "apply", good, "--reason", "again", "--if-revision", "0"), "revision 1, not 0")
	has(t, operate(t, p, 0, "explain", "sim:BTC-USD", "--cadence-ms", "100"), "1s, the fastest that is allowed", "by the tier on line 2")
	has(t, operate(t, p, 0, "explain", "test:FAKE", "--cadence-ms", "0"), "100ms, the fastest that is allowed", "rule quick on line 4")
	has(t, operate(t, p, 0, "stop", "test:*", "--name", "halt", "--reason", "bad prices"), "name: halt", "reason: bad prices")
	has(t, operate(t, p, 0, "explain", "test:FAKE"), "stopped by halt")
	has(t, operate(t, p, 0, "release", "halt", "--reason", "good again"), "release by local")
	has(t, operate(t, p, 0, "apply", policyFile(t, "tiers: {default: {fastest: 5s}}"), "--for", "1h", "--reason", "the link is down"), ", until ")
	has(t, operate(t, p, 0, "rollback", "1", "--reason", "the link is up"), "rollback of 1")
	has(t, operate(t, p, 0, "history"), "apply", "local", "fewer bytes", "stop", "release", "rollback of 1")
	has(t, operate(t, p, 0, "show", "1"), "fewer bytes", "fastest: 1s")
	has(t, operate(t, p, 1, "show", "99"), "revision 99: not found")
	has(t, operate(t, p, 2, "aply", good), `did you mean "apply"?`)
	has(t, operate(t, p, 2, "show", "one"), "want a number")
	audit, err := os.ReadFile(filepath.Join(p.Line("data"), "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	has(t, string(audit), `"action":"policy.apply"`, `"reason":"fewer bytes"`, `"outcome":"refused"`, `"action":"policy.release"`)
}

func TestOperatorsShowTokens(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("maria admin 0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(mine, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, "--admin-tokens", tokens)
	good := policyFile(t, "tiers: {default: {fastest: 1s}}")
	has(t, operate(t, p, 1, "apply", good, "--reason", "x"), "show a token")
	has(t, operate(t, p, 0, "apply", good, "--reason", "x", "--admin-token-file", mine), "apply by maria")
	if strings.Contains(p.Stderr(), "0123456789abcdef") {
		t.Error("a token is in the log")
	}
}

// One change of the policy moves every session, without a reconnect, and every client knows and goes on.
func TestAChangeOfPolicyMovesEverySession(t *testing.T) {
	const sessions, symbols = 150, 10
	p := serve(t, "--sim-instruments", fmt.Sprint(symbols))
	ctx := deadline(t)
	// Clients that a busy machine makes slow would be moved for that, which is not what this is about.
	free := policyFile(t, "tiers: {default: {adaptive: {enabled: false}}}\n")
	operate(t, p, 0, "apply", free, "--reason", "test")
	clients := make([]*client.Client, sessions)
	var opening sync.WaitGroup
	ms := uint32(100)
	for i := range clients {
		opening.Go(func() {
			c, err := client.Dial(ctx, p.WebSocket(), client.Options{JSON: i%5 == 0, Deflate: i%3 == 0})
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(c.Close)
			if _, err := c.Subscribe(ctx, &feedv1.Subscribe{Symbols: []string{"sim:*"}, Channels: []string{"quote", "trade", "book"}, CadenceMs: &ms, Depth: 50}); err != nil {
				t.Error(err)
			}
			clients[i] = c
		})
	}
	opening.Wait()
	if t.Failed() {
		return
	}
	next := policyFile(t, "tiers: {default: {fastest: 1s, depth: 10, adaptive: {enabled: false}}}\n")
	has(t, operate(t, p, 0, "dry-run", next), fmt.Sprintf("would change %d of %d lanes, of %d of %d sessions", sessions, sessions, sessions, sessions),
		fmt.Sprintf("%d subscriptions of %d sessions from 100ms to 1s", 3*sessions*symbols, sessions), fmt.Sprintf("%d subscriptions would go on in another view", sessions*symbols))
	operate(t, p, 0, "apply", next, "--reason", "test")
	for i, c := range clients {
		err := c.Await(ctx, func(m *client.Model) bool {
			for _, sym := range m.Symbols(market.ChannelQuote) {
				for _, g := range []*feedv1.Grant{m.Grant(sym, market.ChannelQuote), m.Grant(sym, market.ChannelTrade), m.GrantOf(sym, market.ChannelBook, market.View{Depth: 10})} {
					if g == nil || g.CadenceMs != 1000 || g.Reason != feedv1.GrantReason_GRANT_REASON_POLICY || g.Policy == 0 {
						return false
					}
				}
				if _, whole := m.Book(sym, market.View{Depth: 10}); !whole || m.HandleOf(sym, market.ChannelBook, market.View{Depth: 50}) != 0 {
					return false
				}
			}
			return true
		})
		if err != nil {
			t.Fatalf("client %d was not moved: %v, %v", i, err, c.Err())
		}
	}
	if opened := p.Metric("feedd_connections_opened_total"); opened != fmt.Sprint(sessions) {
		t.Errorf("%s connections were opened, want %d: nobody reconnects", opened, sessions)
	}
	// And back, for good.
	operate(t, p, 0, "apply", free, "--reason", "test")
	for i, c := range clients {
		if err := c.Await(ctx, func(m *client.Model) bool {
			g := m.GrantOf("sim:BTC-USD", market.ChannelBook, market.View{Depth: 50})
			_, whole := m.Book("sim:BTC-USD", market.View{Depth: 50})
			return g != nil && g.CadenceMs == 100 && whole
		}); err != nil {
			t.Fatalf("client %d was not moved back: %v, %v", i, err, c.Err())
		}
	}
}

// Two nodes of a cluster run one policy, and one of them starts again while NATS is away.
func TestNodesShareAPolicy(t *testing.T) {
	t.Parallel()
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	data := t.TempDir()
	a := serve(t, "--nats-url", ns.URL(), "--node", "a")
	b := serve(t, "--nats-url", ns.URL(), "--node", "b", "--data-dir", data)
	operate(t, a, 0, "apply", policyFile(t, "tiers: {default: {fastest: 2s}}"), "--reason", "test")
	awaitText := func(p *process, parts ...string) {
		t.Helper()
		for deadline := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
			text := operate(t, p, 0, "show")
			missing := ""
			for _, part := range parts {
				if !strings.Contains(text, part) {
					missing = part
				}
			}
			if missing == "" {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%q never came:\n%s", missing, text)
			}
		}
	}
	awaitText(b, "fastest: 2s", "node a: revision 1 applied", "node b: revision 1 applied")
	b.Interrupt()
	ns.Stop()
	again := command(t, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--nats-url", ns.URL(), "--node", "b", "--data-dir", data)
	awaitText(again, "the last good copy", "fastest: 2s")
	c, err := client.Dial(deadline(t), again.WebSocket(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.View(func(m *client.Model) {
		if got := m.Welcome().CadencesMs; len(got) == 0 || got[0] != 2000 {
			t.Errorf("the ladder begins with %v, want 2000", got)
		}
	})
}

// A file that changes under a running node is followed, and a signal is enough.
func TestAPolicyFileIsFollowed(t *testing.T) {
	t.Parallel()
	path := policyFile(t, "tiers: {default: {fastest: 1s}}\n")
	p := serve(t, "--policy", path)
	has(t, operate(t, p, 0, "show"), "fastest: 1s", "file")
	has(t, operate(t, p, 1, "apply", path, "--reason", "x"), "comes from a file")
	if err := os.WriteFile(path, []byte("tiers: {default: {fastest: 0ms}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	await := func(part string) {
		t.Helper()
		for deadline := time.Now().Add(within); !strings.Contains(operate(t, p, 0, "show"), part); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%q never came", part)
			}
		}
	}
	await("is refused")
	has(t, operate(t, p, 0, "show"), "fastest: 1s", "line 1: got \"0ms\"")
	if err := os.WriteFile(path, []byte("tiers: {default: {fastest: 2s}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	await("fastest: 2s")

	// Without an earlier one, a bad file is no start.
	bad := command(t, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--policy", policyFile(t, "tiers: {}"))
	if code := bad.Wait(); code != 2 || !strings.Contains(bad.Stderr(), "no tiers") {
		t.Errorf("exit status %d: %s", code, bad.Stderr())
	}
}

func TestOperatorsCutAndDrain(t *testing.T) {
	p := serve(t)
	c, err := client.Dial(deadline(t), p.WebSocket(), client.Options{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var id string
	c.View(func(m *client.Model) { id = m.Welcome().Session })
	send := func(method, path string) {
		t.Helper()
		r, err := http.NewRequestWithContext(context.Background(), method, p.Admin()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s", method, path, res.Status)
		}
	}
	send("DELETE", "/v1/sessions/"+id+"?reason=too+much")
	<-c.Done()
	var closed *client.CloseError
	if !errors.As(c.Err(), &closed) || closed.Code != 4503 || closed.Reason != "too much" || closed.Retry() {
		t.Errorf("closed with %v", c.Err())
	}
	send("POST", "/v1/drain?reason=upgrade")
	if code := p.Wait(); code != 0 {
		t.Errorf("exit status %d after a drain", code)
	}
}
