package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/internal/overload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const now = int64(1_700_000_000_000_000)

func load(name string) Load {
	return Load{Revision: Revision, Instance: "I" + name, Node: name, Version: "1", IntervalMS: 2000, Sent: now, Started: now - 3600e6, Level: "open", URL: "ws://" + name + "/v1/ws"}
}

func TestLoadsThatCannotBeUsed(t *testing.T) {
	for text, why := range map[string]string{
		"":     "JSON",
		"null": "instance",
		`{"revision":1,"instance":"a.b","interval_ms":2000}`:                                             "without dots",
		`{"revision":1,"instance":"a","interval_ms":1}`:                                                  "interval of 1 ms",
		`{"revision":1,"instance":"a","interval_ms":2000,"url":"http://x/"}`:                             "want ws://",
		`{"revision":1,"instance":"a","interval_ms":2000,"url":"wss://u:p@x/"}`:                          "without a user",
		`{"revision":1,"instance":"a","interval_ms":2000,"sessions":"many"}`:                             "load of node",
		`{"revision":1,"instance":"a","interval_ms":2000,"node":"` + strings.Repeat("n", 129) + `"}`:     "longer than",
		`{"revision":1,"instance":"a","interval_ms":2000,"node":"` + strings.Repeat("n", maxLoad) + `"}`: "at most",
	} {
		if _, err := ParseLoad([]byte(text)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.80s: %v, want something of %q", text, err, why)
		}
	}
	l, err := ParseLoad([]byte(`{"revision":9,"instance":"a","node":"new","version":"9.0","interval_ms":2000,"sessions":"of another form","url":["x"]}`))
	if err != nil || l.Node != "new" || l.Version != "9.0" || l.takes() {
		t.Errorf("of another revision: %+v, %v; want its name, and no clients sent there", l, err)
	}
}

func FuzzParseLoad(f *testing.F) {
	good, err := json.Marshal(load("a"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"revision":2,"instance":"a"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		l, err := ParseLoad(payload)
		if err != nil {
			return
		}
		r := NewRoster(load("self"))
		r.Take(l, now)
		r.Fleet().Alternates(3, rand.Float64)
		r.Gone(now + 1e9)
	})
}

func TestRosterKnowsWhoIsThere(t *testing.T) {
	r := NewRoster(load("self"))
	if r.Take(load("self"), now) || len(r.Nodes()) != 0 {
		t.Error("a node hears of itself")
	}
	if !r.Take(load("a"), now) || r.Take(load("a"), now+1e6) || !r.Take(load("b"), now) {
		t.Error("want a and b to be new once")
	}
	if gone := r.Gone(now + 6_500_000); len(gone) != 1 || gone[0].Node != "b" {
		t.Errorf("gone: %v, want b", gone)
	}
	if gone := r.Gone(now - 3e6); len(gone) != 1 {
		t.Errorf("a clock that went back keeps %v", r.Nodes())
	}
	for i := range maxNodes + 5 {
		r.Take(load(fmt.Sprint(i)), now)
	}
	if len(r.Nodes()) != maxNodes || r.Beyond != 5 {
		t.Errorf("%d nodes, %d beyond", len(r.Nodes()), r.Beyond)
	}
}

func TestWhoFellSilentIsToldOfForAWhile(t *testing.T) {
	r := NewRoster(load("self"))
	drained := load("drained")
	drained.Draining = true
	for _, l := range []Load{load("killed"), drained} {
		r.Take(l, now)
	}
	r.Gone(now + 7e6)
	if f := r.Fleet(); len(f.Silent) != 1 || f.Silent[0].Node != "killed" || len(f.Nodes) != 0 {
		t.Errorf("silent %+v of %+v, want who did not say that it drains", f.Silent, f.Nodes)
	}
	again := load("killed")
	again.Instance = "another run"
	r.Take(again, now+8e6)
	if f := r.Fleet(); len(f.Silent) != 0 || len(f.Nodes) != 1 {
		t.Errorf("silent %+v, though it is back", f.Silent)
	}
	r.Gone(now + 20e6)
	if r.Gone(now + 20e6 + rememberFor.Microseconds()); len(r.Fleet().Silent) != 0 {
		t.Error("told of for ever")
	}
	for i := range 2 * maxNodes {
		r.Take(load(fmt.Sprint(i)), now)
		if i%maxNodes == maxNodes-1 {
			r.Gone(now + 20e6)
		}
	}
	if len(r.Fleet().Silent) != maxNodes {
		t.Errorf("%d silent ones are kept", len(r.Fleet().Silent))
	}
}

func TestFleetNamesWhatIsWrong(t *testing.T) {
	r := NewRoster(load("self"))
	twin, strange, late := load("self"), load("strange"), load("late")
	twin.Instance, strange.Revision, late.Sent = "other", 2, now-5e6
	for _, l := range []Load{twin, strange, late, load("a"), load("b")} {
		r.Take(l, now)
	}
	f := r.Fleet()
	if f.Namesakes != 1 || !f.SelfNamesake || f.Strangers != 1 || f.ClocksOff != 1 || f.SelfOff || f.Ahead != 0 {
		t.Errorf("%+v", f)
	}
	wrong := NewRoster(load("self"))
	for _, name := range []string{"a", "b", "c"} {
		wrong.Take(load(name), now+60e6) // this node's clock is a minute ahead
	}
	if f := wrong.Fleet(); !f.SelfOff || f.ClocksOff != 1 || f.Ahead != -time.Minute {
		t.Errorf("a clock of its own that is off: %+v", f)
	}
	pair := NewRoster(load("self"))
	pair.Take(load("a"), now+60e6)
	if f := pair.Fleet(); f.ClocksOff != 2 {
		t.Errorf("of two nobody can tell which: %+v", f)
	}
}

func TestAlternatesAreEmptyAndSpread(t *testing.T) {
	r := NewRoster(load("self"))
	full, half, gone, busy, hidden, same, strange := load("full"), load("half"), load("gone"), load("busy"), load("hidden"), load("same"), load("strange")
	full.CPU, half.CPU = 1, 0.5
	gone.Draining, busy.Refuses, hidden.URL, same.URL, strange.Revision = true, true, "", "ws://self/v1/ws", 2
	for _, l := range []Load{full, half, gone, busy, hidden, same, strange, load("empty")} {
		r.Take(l, now)
	}
	f := r.Fleet()
	random := rand.New(rand.NewPCG(1, 2))
	first := map[string]int{}
	for range 10_000 {
		urls := f.Alternates(3, random.Float64)
		if len(urls) != 3 || slices.ContainsFunc(urls, func(u string) bool { return !slices.Contains([]string{full.URL, half.URL, "ws://empty/v1/ws"}, u) }) {
			t.Fatalf("alternates %v", urls)
		}
		first[urls[0]]++
	}
	if e, h, fu := first["ws://empty/v1/ws"], first[half.URL], first[full.URL]; e < h*3/2 || h < 10*fu || fu == 0 {
		t.Errorf("first of 10,000: %v, want the emptiest most often, and even the full one now and then", first)
	}
	if urls := f.Alternates(2, random.Float64); len(urls) != 2 {
		t.Errorf("%v, want two", urls)
	}
	if urls := NewRoster(load("self")).Fleet().Alternates(3, random.Float64); urls != nil {
		t.Errorf("alone: %v", urls)
	}
	// The hidden one takes clients of a load balancer all the same.
	if able, leaving := f.Able(); able != 5*overload.LeastAccepts || leaving != 0 {
		t.Errorf("able to take %v a second, %d leaving", able, leaving)
	}
}

// Of a node that has just started, and of one whose rows are slow, clients hear less often than of others.
func TestAlternatesSpareWhoIsNotAtItsBest(t *testing.T) {
	r := NewRoster(load("self"))
	fresh, slow, both := load("fresh"), load("slow"), load("both")
	fresh.Started, slow.Level, both.Level, both.Refuses = now-6e6, "slowing", "slowing", true
	for _, l := range []Load{fresh, slow, both, load("well")} {
		r.Take(l, now)
	}
	first := map[string]int{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 13_500 {
		first[r.Fleet().Alternates(1, random.Float64)[0]]++
	}
	if f, s, w := first[fresh.URL], first[slow.URL], first["ws://well/v1/ws"]; f < 800 || f > 1200 || s < 2200 || s > 2800 || w < 9500 || len(first) != 3 {
		t.Errorf("first of 13,500: %v, want 1,000 at the fresh one and 2,500 at the slow one", first)
	}
}

// Two members on a server hear of each other, and of the end at once; what is no load is counted.
func TestMembersHearOfOneAnother(t *testing.T) {
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Stop()
	nc, err := nats.Connect(ns.URL())
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	defer func() { nc.Close(); <-closed }()
	log := slog.New(slog.DiscardHandler)
	var drops drop.Counters
	member := func(name string) *Member {
		return NewMember(nc, load(name), func(l *Load) { l.Sessions, l.Level = 7, "open" }, &drops, log)
	}
	a, b := member("a"), member("b")
	ctx, cancel := context.WithCancel(context.Background())
	endB, cancelB := context.WithCancel(ctx)
	var wg sync.WaitGroup
	run := func(m *Member, ctx context.Context) {
		wg.Go(func() {
			if err := m.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	run(a, ctx)
	run(b, endB)
	defer func() { cancelB(); cancel(); wg.Wait() }()
	await := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: a hears of %+v", what, a.Fleet())
			}
		}
	}
	await("b", func() bool {
		f := a.Fleet()
		return len(f.Nodes) == 1 && f.Nodes[0].Node == "b" && f.Nodes[0].Sessions == 7 && len(b.Fleet().Nodes) == 1
	})
	for _, bad := range []struct{ subject, text string }{{root + "x", "nonsense"}, {root + "x", `{"revision":1,"instance":"y","interval_ms":2000}`}} {
		if err := nc.Publish(bad.subject, []byte(bad.text)); err != nil {
			t.Fatal(err)
		}
	}
	await("what is no load", func() bool { return drops.Count(drop.BadNodeLoad) == 4 }) // by both
	cancelB()
	await("the end of b", func() bool { f := a.Fleet(); return len(f.Nodes) == 1 && f.Nodes[0].Draining })
	if urls := a.Fleet().Alternates(3, rand.Float64); len(urls) != 0 {
		t.Errorf("clients are sent to who drains: %v", urls)
	}
}
