package revoke

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/feedd/feedd/auth"
	"github.com/feedd/feedd/internal/natsserver"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*Server).startGoRoutine"))
}

func connect(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// ear notes what it hears.
type ear struct {
	mu    sync.Mutex
	known bool
	heard []auth.Revocation
}

func (e *ear) Revoked(r auth.Revocation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, r)
}

func (e *ear) Known() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known = true
}

func (e *ear) has(user, token, session string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.heard, func(r auth.Revocation) bool { return r.User == user && r.Token == token && r.Session == session })
}

func (e *ear) isKnown() bool { e.mu.Lock(); defer e.mu.Unlock(); return e.known }

func follow(t *testing.T, nc *nats.Conn) *ear {
	e := new(ear)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := Follow(ctx, nc, e, slog.New(slog.NewTextHandler(t.Output(), nil))); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return e
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func send(t *testing.T, nc *nats.Conn, r auth.Revocation) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := Send(ctx, nc, r, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// Whoever is up hears at once; whoever starts later hears of what was, but for sessions, which are over.
func TestAllNodesHear(t *testing.T) {
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	operator := connect(t, ns.URL())
	early := follow(t, connect(t, ns.URL()))
	eventually(t, "without a bucket all is known", early.isKnown)
	names := "a name.with*all > sorts/of letters, é"
	send(t, operator, auth.Revocation{User: names, Reason: "for a test"})
	send(t, operator, auth.Revocation{Token: "t1"})
	send(t, operator, auth.Revocation{Session: "S1"})
	for _, want := range [][3]string{{names, "", ""}, {"", "t1", ""}, {"", "", "S1"}} {
		eventually(t, strings.Join(want[:], ""), func() bool { return early.has(want[0], want[1], want[2]) })
	}
	late := follow(t, connect(t, ns.URL()))
	eventually(t, "what was is known", late.isKnown)
	if !late.has(names, "", "") || !late.has("", "t1", "") || late.has("", "", "S1") {
		t.Errorf("a node that starts later hears %+v", late.heard)
	}
	send(t, operator, auth.Revocation{Token: "t2"})
	eventually(t, "and what comes then", func() bool { return late.has("", "t2", "") && early.has("", "t2", "") })

	if err := operator.Publish(Subject, []byte("{")); err != nil {
		t.Fatal(err)
	}
	send(t, operator, auth.Revocation{Token: "t3"})
	eventually(t, "what is no revocation stops nothing", func() bool { return early.has("", "t3", "") })
}

func TestOrdersThatCannotBe(t *testing.T) {
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	nc := connect(t, ns.URL())
	for _, r := range []auth.Revocation{{}, {User: "a", Token: "b"}, {User: strings.Repeat("x", 300)}} {
		if err := Send(t.Context(), nc, r, time.Now()); err == nil || errors.Is(err, ErrNotKept) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// Without JetStream nodes that are up hear all the same, and whoever revokes is told that none will that starts later.
func TestWithoutJetStream(t *testing.T) {
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	if !ns.ReadyForConnections(time.Minute) {
		t.Fatal("not ready")
	}
	node := follow(t, connect(t, ns.ClientURL()))
	eventually(t, "there is nothing to know", node.isKnown)
	if err := Send(t.Context(), connect(t, ns.ClientURL()), auth.Revocation{User: "ada"}, time.Now()); !errors.Is(err, ErrNotKept) {
		t.Errorf("not told that it is not kept: %v", err)
	}
	eventually(t, "the node hears", func() bool { return node.has("ada", "", "") })
}
