package live_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/internal/natsserver/natstest"
	"github.com/feedd/feedd/policy"
	"github.com/feedd/feedd/policy/live"
	"github.com/feedd/feedd/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come. A busy machine takes its time.
const patience = 2 * time.Minute

// eventually waits until ok, or says what did not come.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not come: %s", what)
		}
	}
}

func serve(t *testing.T, dir string, port int) *natsserver.Server {
	t.Helper()
	s, err := natsserver.Start(natsserver.Options{StoreDir: dir, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dial(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// node is a keeper that runs.
type node struct {
	*live.Keeper
	stop func()
}

func start(t *testing.T, name, dir string, source live.Source) *node {
	t.Helper()
	k := live.New(live.Options{
		Source: source, Dir: dir, Node: name, Server: "feedd test", Sessions: func() int { return 3 },
		Clock: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { k.Run(ctx) })
	n := &node{k, sync.OnceFunc(func() { cancel(); running.Wait() })}
	t.Cleanup(n.stop)
	heard, done := context.WithTimeout(ctx, patience)
	defer done()
	n.Heard(heard)
	return n
}

func (n *node) fastest() throttle.Cadence { return n.InForce().Policy().Tier("").Fastest }

func fastest(c string) string { return "tiers:\n  default: {fastest: " + c + "}\n" }

func by(actor string, expected uint64) policy.Write {
	return policy.Write{Actor: actor, Reason: "test", Expected: expected}
}

func TestNodesFollowABucket(t *testing.T) {
	nats := serve(t, t.TempDir(), -1)
	defer nats.Stop()
	ctx := t.Context()
	log := slog.New(slog.DiscardHandler)
	a := start(t, "a", t.TempDir(), live.NewBucket(dial(t, nats.URL()), "policy", log))
	b := start(t, "b", t.TempDir(), live.NewBucket(dial(t, nats.URL()), "policy", log))
	if s := a.Status(); s.Version.Kind != policy.BuiltIn || s.Stale || !s.Writable {
		t.Errorf("ahead of the first write: %+v", s)
	}
	if err := a.Apply(ctx, fastest("1s"), by("maria", 0)); err != nil {
		t.Fatal(err)
	}
	if a.fastest() != throttle.Every1s {
		t.Error("the node that wrote does not run what it wrote")
	}
	eventually(t, "the policy on the other node", func() bool { return b.fastest() == throttle.Every1s })
	v := b.Status().Version
	if v.Actor != "maria" || v.Reason != "test" || v.Revision == 0 || v.Revision != b.InForce().Policy().Revision {
		t.Errorf("the other node has %+v", v)
	}

	// A write for another version than the newest changes nothing.
	var conflict *policy.ConflictError
	if err := b.Apply(ctx, fastest("2s"), by("bob", 0)); !errors.As(err, &conflict) || conflict.Current != v.Revision {
		t.Errorf("a stale write: %v", err)
	}
	// Nor does one that is not in order.
	var problems policy.Problems
	if err := b.Apply(ctx, fastest("0ms"), by("bob", v.Revision)); !errors.As(err, &problems) || problems[0].Line != 2 {
		t.Errorf("a bad write: %v", err)
	}
	if err := b.Apply(ctx, fastest("2s"), by("bob", v.Revision)); err != nil {
		t.Fatal(err)
	}
	if err := b.Rollback(ctx, v.Revision, by("bob", b.Status().Newest)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rollback", func() bool { return a.Status().Version.Kind == policy.Rollback && a.fastest() == throttle.Every1s })
	history, err := a.History(ctx)
	if err != nil || len(history) != 3 || history[0].Of != v.Revision || history[2].Actor != "maria" {
		t.Errorf("history: %v, %+v", err, history)
	}
	if err := a.Rollback(ctx, 99, by("bob", a.Status().Newest)); !errors.Is(err, policy.ErrNotFound) {
		t.Errorf("a rollback to nothing: %v", err)
	}
	eventually(t, "both nodes' word that they have it", func() bool {
		nodes, err := a.Nodes(ctx)
		return err == nil && len(nodes) == 2 && nodes[0].Node == "a" && nodes[1].Node == "b" && nodes[1].State == "applied" &&
			nodes[1].Revision == a.Status().Version.Revision && nodes[1].Sessions == 3
	})
}

// What somebody puts into the bucket by other means is judged like anything else.
func TestABadVersionInTheBucketIsRefusedByEveryNode(t *testing.T) {
	nats := serve(t, t.TempDir(), -1)
	defer nats.Stop()
	nc := dial(t, nats.URL())
	a := start(t, "a", t.TempDir(), live.NewBucket(nc, "policy", slog.New(slog.DiscardHandler)))
	if err := a.Apply(t.Context(), fastest("1s"), by("maria", 0)); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), "policy")
	if err != nil {
		t.Fatal(err)
	}
	revision, err := kv.Put(t.Context(), "current", []byte(fastest("1ms")))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the refusal", func() bool { return a.Status().Refused != nil })
	s := a.Status()
	if s.Refused.Revision != revision || !strings.Contains(s.Refused.Problems.Error(), `line 2: got "1ms"`) || a.fastest() != throttle.Every1s {
		t.Errorf("%+v, running %v", s.Refused, a.fastest())
	}
	eventually(t, "the node's word that it refused", func() bool {
		nodes, err := a.Nodes(t.Context())
		return err == nil && nodes[0].State == "refused" && strings.Contains(nodes[0].Error, "1ms")
	})
	// The next good one is a change of the bad one.
	if err := a.Apply(t.Context(), fastest("2s"), by("maria", s.Newest)); err != nil {
		t.Fatal(err)
	}
	if s := a.Status(); s.Refused != nil || a.fastest() != throttle.Every2s {
		t.Errorf("after a good one: %+v", s)
	}
	if _, err := kv.PutString(t.Context(), "current", fastest("5s")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a plain text", func() bool { return a.fastest() == throttle.Every5s && a.Status().Version.Actor == "unknown" })
	if err := kv.Delete(t.Context(), "current"); err != nil {
		t.Fatal(err)
	}
	if err := a.Apply(t.Context(), fastest("20ms"), by("maria", a.Status().Newest)); err != nil {
		t.Fatalf("after the key was deleted: %v", err)
	}
	if a.fastest() != throttle.Every20ms {
		t.Errorf("running %v", a.fastest())
	}
}

// Fifty writers on five nodes add a stop each at the same time. None is lost, and neither is one of their releases.
func TestWritersLoseNoUpdate(t *testing.T) {
	nats := serve(t, t.TempDir(), -1)
	defer nats.Stop()
	var nodes []*node
	for i := range 5 {
		nodes = append(nodes, start(t, fmt.Sprint("n", i), t.TempDir(), live.NewBucket(dial(t, nats.URL()), "policy", slog.New(slog.DiscardHandler))))
	}
	const writers = 50
	var all sync.WaitGroup
	failed := make(chan error, 2*writers)
	for i := range writers {
		n := nodes[i%len(nodes)]
		all.Go(func() {
			name := fmt.Sprintf("halt-%d", i)
			failed <- n.Stop(t.Context(), &policy.Stop{Name: name, Symbols: []string{fmt.Sprintf("venue:S%d", i)}}, by(name, 0))
			if i%5 == 0 {
				failed <- n.Release(t.Context(), name, by(name, 0))
			}
		})
	}
	all.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			t.Error(err)
		}
	}
	for _, n := range nodes {
		eventually(t, "every stop on every node", func() bool { return len(n.InForce().Policy().Tier("").Stops) == writers-writers/5 })
	}
	for i := range writers {
		if there := strings.Contains(nodes[0].Status().Version.Text, fmt.Sprintf("halt-%d\n", i)); there != (i%5 != 0) {
			t.Errorf("stop %d: there %v", i, there)
		}
	}
}

// A plain write from fifty sides at once succeeds once for each revision.
func TestOneOfManyWritesToTheSameRevisionSucceeds(t *testing.T) {
	nats := serve(t, t.TempDir(), -1)
	defer nats.Stop()
	n := start(t, "a", "", live.NewBucket(dial(t, nats.URL()), "policy", slog.New(slog.DiscardHandler)))
	var all sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for i := range 50 {
		all.Go(func() {
			err := n.Apply(t.Context(), fastest("1s"), by(fmt.Sprint(i), 0))
			var conflict *policy.ConflictError
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if !errors.As(err, &conflict) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if done != 1 {
		t.Errorf("%d writes succeeded, want 1", done)
	}
}

func TestBootWithoutNATS(t *testing.T) {
	dir, store := t.TempDir(), t.TempDir()
	log := slog.New(slog.DiscardHandler)
	at := natstest.Port(t)
	nats := serve(t, store, at)
	first := start(t, "a", dir, live.NewBucket(dial(t, nats.URL()), "policy", log))
	if err := first.Apply(t.Context(), fastest("1s"), by("maria", 0)); err != nil {
		t.Fatal(err)
	}
	first.stop()
	nats.Stop()

	// Nobody answers: the last good copy is in force, and says so.
	again := start(t, "a", dir, live.NewBucket(dial(t, nats.URL()), "policy", log))
	if s := again.Status(); again.fastest() != throttle.Every1s || !s.Stale || s.Version.Actor != "maria" {
		t.Errorf("without NATS: %+v, fastest %v", s, again.fastest())
	}
	err := again.Apply(t.Context(), fastest("2s"), by("maria", again.Status().Newest))
	if !errors.Is(err, policy.ErrUnavailable) {
		t.Errorf("a write without NATS: %v", err)
	}
	// It comes back, with what was there.
	nats = serve(t, store, at)
	defer nats.Stop()
	eventually(t, "the source again", func() bool { return !again.Status().Stale })
	if err := again.Apply(t.Context(), fastest("2s"), by("maria", again.Status().Newest)); err != nil {
		t.Fatal(err)
	}
}
