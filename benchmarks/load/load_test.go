package load

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/internal/fake"
	"github.com/feedd/feedd/benchmarks/probe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const instruments = 30

func config(address string) Config {
	return Config{Address: address, Symbols: feed.Symbols(instruments), Groups: []Group{{
		Name: "all", Speak: Feed, Sessions: 200, Probes: 3, CadenceMS: 250,
		Choice: Choice{Instruments: instruments, PerSession: 5, Distribution: Uniform, Seed: 1},
	}}}
}

func start(t *testing.T, cfg Config) *Loop {
	t.Helper()
	l, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	return l
}

func connect(t *testing.T, cfg Config) *Loop {
	t.Helper()
	l := start(t, cfg)
	if _, err := l.Connect(Patience); err != nil {
		t.Fatal(err)
	}
	return l
}

// until marks over and over, adding up, until the windows together satisfy enough.
func until(t *testing.T, l *Loop, what string, enough func(Window) bool) Window {
	t.Helper()
	var sum Window
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		w, err := l.Mark()
		if err != nil {
			t.Fatal(err)
		}
		w.Frames += sum.Frames
		w.Packed += sum.Packed
		w.Bytes += sum.Bytes
		w.Controls += sum.Controls
		w.Probes.Rows += sum.Probes.Rows
		w.Probes.Frames += sum.Probes.Frames
		if sum = w; enough(sum) {
			return sum
		}
	}
	t.Fatalf("never came: %s; got %+v", what, sum)
	return sum
}

func TestSessionsSubscribeAndCount(t *testing.T) {
	server := fake.New(t, instruments)
	cfg := config(server.Address)
	l := connect(t, cfg)

	subscribes, _ := server.Requests()
	if len(subscribes) != cfg.Groups[0].Sessions {
		t.Fatalf("%d subscriptions", len(subscribes))
	}
	for _, s := range subscribes {
		if len(s.GetSymbols()) != 5 || s.GetCadenceMs() != 250 || !slices.Equal(s.GetChannels(), []string{"quote"}) {
			t.Fatalf("subscribed to %v", s)
		}
	}
	if w, err := l.Mark(); err != nil || w.Live != cfg.Groups[0].Sessions {
		t.Fatalf("%d sessions live, error %v", w.Live, err)
	}

	const cuts = 4
	for range cuts {
		server.Cut(fake.Honest)
	}
	w := until(t, l, "all frames", func(w Window) bool { return w.Probes.Frames >= 3*cuts && w.Frames >= cuts*200 })
	if w.Frames != cuts*200 || w.Bytes < w.Frames*5 || w.Probes.Rows != 3*cuts*5 || w.Probes.Problems != 0 || len(w.Closed) != 0 {
		t.Errorf("window %+v", w)
	}
	var beats int64
	for _, n := range w.Beats {
		beats += n
	}
	if beats != int64(cfg.Groups[0].Sessions) {
		t.Errorf("%d beats of %d sessions", beats, cfg.Groups[0].Sessions)
	}
	held, err := l.Holds()
	if err != nil || len(held) != 3*5 {
		t.Fatalf("probes hold %d quotes, error %v", len(held), err)
	}
	if n, first := probe.Compare(held, cfg.Symbols, server.Last()); n != 0 {
		t.Errorf("%d final quotes differ: %s", n, first)
	}
}

func TestSessionsAnswerPingsAndNoteCloses(t *testing.T) {
	server := fake.New(t, instruments)
	cfg := config(server.Address)
	cfg.Groups[0].Sessions = 5
	l := connect(t, cfg)
	server.Ping("still there?")
	until(t, l, "pongs", func(w Window) bool {
		_, pongs := server.Requests()
		return w.Controls == 5 && len(pongs) == 5
	})
	server.CloseAll(4000, "draining")
	w := until(t, l, "closes", func(w Window) bool { return w.Live == 0 })
	if w.Closed["closed 4000 draining"] != 5 {
		t.Errorf("ended %v", w.Closed)
	}
	_, pongs := server.Requests()
	for _, p := range pongs {
		if p != "still there?" {
			t.Errorf("pong %q", p)
		}
	}
}

func TestStuckSessionsReadNothingUntilTheyResume(t *testing.T) {
	server := fake.New(t, instruments)
	cfg := config(server.Address)
	still := cfg.Groups[0]
	still.Name, still.Sessions, still.SmallBuffer = "still", 10, true
	cfg.Groups = append(cfg.Groups, still)
	l := connect(t, cfg)
	if err := l.Stall("still"); err != nil {
		t.Fatal(err)
	}
	server.Cut(fake.Honest)
	until(t, l, "a frame for all who read", func(w Window) bool { return w.Frames == 200 })
	server.Cut(fake.Honest)
	w := until(t, l, "another one", func(w Window) bool { return w.Frames == 200 })
	if w.Groups[1].Frames != 0 || w.Groups[1].Live != 10 {
		t.Errorf("those who do not read got %+v", w.Groups[1])
	}
	if err := l.Resume("still"); err != nil {
		t.Fatal(err)
	}
	until(t, l, "what they missed", func(w Window) bool { return w.Frames == 20 })
	if err := l.Stall("nobody"); err == nil || !strings.Contains(err.Error(), "no group") {
		t.Errorf("error %v", err)
	}
}

func TestSlowSessionsReadALittleAtATime(t *testing.T) {
	server := fake.New(t, instruments)
	cfg := config(server.Address)
	cfg.Groups[0].Sessions, cfg.Groups[0].Probes, cfg.Groups[0].BytesPerSecond = 5, 0, 1
	l := connect(t, cfg)
	for range 3 {
		server.Cut(fake.Honest)
	}
	w := until(t, l, "a few bytes", func(w Window) bool { return w.Bytes >= 20 })
	if w.Frames >= 15 {
		t.Errorf("all %d frames at once", w.Frames)
	}
	if err := l.Resume("all"); err != nil {
		t.Fatal(err)
	}
	until(t, l, "the rest", func(sum Window) bool { return w.Frames+sum.Frames == 15 })
}

func TestAllSessionsAskForAnotherRateAndAreTold(t *testing.T) {
	server := fake.New(t, instruments)
	l := connect(t, config(server.Address))
	if err := l.SetRate(1000); err != nil {
		t.Fatal(err)
	}
	server.Cut(fake.Honest)
	until(t, l, "frames behind all grants", func(w Window) bool { return w.Frames >= 400 })
	g, err := l.Await(Patience) // when all have been told already
	if err != nil || g.Sessions != 200 || g.Each.Count != 200 || g.Seconds <= 0 {
		t.Errorf("%+v, error %v", g, err)
	}
	if _, err := l.Await(time.Millisecond); err == nil {
		t.Error("waited for nothing")
	}
	if err := l.Expect(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Await(time.Millisecond); err == nil || !strings.Contains(err.Error(), "200 sessions have no grant") {
		t.Errorf("error %v", err)
	}
	server.Cut(fake.Honest)
	if w := until(t, l, "frames", func(w Window) bool { return w.Frames >= 200 }); w.Probes.Problems != 0 {
		t.Errorf("%+v", w)
	}
}

func TestSessionsComeAgain(t *testing.T) {
	server := fake.New(t, instruments)
	l := connect(t, config(server.Address))
	j, err := l.Reconnect(Patience)
	if err != nil || j.Each.Count != 200 || j.Seconds < j.LastAccept {
		t.Fatalf("%+v, error %v", j, err)
	}
	if subscribes, _ := server.Requests(); len(subscribes) != 400 {
		t.Errorf("%d subscriptions", len(subscribes))
	}
	server.Cut(fake.Honest)
	w := until(t, l, "frames", func(w Window) bool { return w.Frames >= 200 })
	if w.Live != 200 || w.Probes.Problems != 0 || len(w.Closed) != 0 {
		t.Errorf("%+v", w)
	}
}

func TestSessionsSpeakTLS(t *testing.T) {
	server, trust := fake.NewTLS(t, instruments)
	cfg := config(server.Address)
	cfg.Groups[0].Trust = trust
	l := connect(t, cfg)
	for range 3 {
		server.Cut(fake.Honest)
	}
	w := until(t, l, "frames", func(w Window) bool { return w.Frames >= 600 && w.Probes.Frames >= 9 })
	if w.Probes.Problems != 0 || w.Live != 200 || w.Bytes < 600*(5+16+1) { // a record's header, tag and type
		t.Errorf("%+v", w)
	}
	server.Ping("still there?")
	until(t, l, "pongs", func(Window) bool {
		_, pongs := server.Requests()
		return len(pongs) == 200
	})
	if _, err := l.Reconnect(Patience); err != nil {
		t.Fatal(err)
	}
	server.CloseAll(4000, "draining")
	until(t, l, "closes", func(w Window) bool { return w.Live == 0 })

	other := config(fake.New(t, instruments).Address)
	other.Groups[0].Trust = trust
	if _, err := start(t, other).Connect(Patience); err == nil || !strings.Contains(err.Error(), "handshake") {
		t.Errorf("a server without TLS: error %v", err)
	}
}

func TestCompressedFramesAreCountedAndRead(t *testing.T) {
	server := fake.New(t, instruments)
	cfg := config(server.Address)
	cfg.Groups[0].Deflate = true
	l := connect(t, cfg)
	server.Cut(fake.Honest)
	w := until(t, l, "frames", func(w Window) bool { return w.Frames >= 200 && w.Probes.Frames >= 3 })
	if w.Probes.Problems != 0 || w.Live != 200 || w.Packed < 200 {
		t.Errorf("%+v", w)
	}
	server.Cut(fake.Wrong)
	until(t, l, "the lie", func(w Window) bool { return w.Probes.Problems > 0 })
}

func TestSubscribersOfNATSReadTheDelay(t *testing.T) {
	market, err := feed.Open(feed.Config{Instruments: instruments, Hz: 100, Burst: 4, Seed: 1, Stamp: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(market.Close)
	market.Resume()
	cfg := config(strings.TrimPrefix(market.Where().WebSocket, "ws://"))
	cfg.Groups[0].Speak = NATS
	cfg.Groups[0].Sessions = 20
	l := connect(t, cfg)
	w := until(t, l, "messages", func(w Window) bool { return w.Frames > 1000 })
	if w.Probes.Problems != 0 || w.Probes.Delay.P50 <= 0 || w.Live != 20 {
		t.Errorf("window %+v", w)
	}
}

func TestProbesCatchALie(t *testing.T) {
	server := fake.New(t, instruments)
	l := connect(t, config(server.Address))
	server.Cut(fake.Wrong)
	w := until(t, l, "the lie", func(w Window) bool { return w.Probes.Problems >= 3 }) // one row in each frame
	if !strings.Contains(strings.Join(w.Probes.Texts, "\n"), "no tick had the values") {
		t.Errorf("problems %q", w.Probes.Texts)
	}
}

func TestConnectSaysWhatWentWrong(t *testing.T) {
	server := fake.New(t, instruments)
	nobody, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := nobody.Addr().String()
	_ = nobody.Close()

	t.Run("nobody listens", func(t *testing.T) {
		if _, err := start(t, config(closed)).Connect(Patience); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a symbol is unknown", func(t *testing.T) {
		cfg := config(server.Address)
		cfg.Symbols = feed.Symbols(instruments + 1)
		cfg.Groups[0].Choice = Choice{Instruments: instruments + 1, PerSession: instruments + 1, Distribution: Uniform}
		const soon = 50 * time.Millisecond
		if _, err := start(t, cfg).Connect(soon); err == nil || !strings.Contains(err.Error(), "0 of 200 sessions are live") {
			t.Errorf("error %v", err)
		}
	})
}

func TestOnlyLoopbackAndSoundConfigs(t *testing.T) {
	for want, change := range map[string]func(*Config, *Group){
		"only 127.0.0.0/8": func(c *Config, _ *Group) { c.Address = "192.0.2.1:80" },
		"address":          func(c *Config, _ *Group) { c.Address = "localhost" },
		"symbols":          func(c *Config, _ *Group) { c.Symbols = nil },
		"no groups":        func(c *Config, _ *Group) { c.Groups = nil },
		"in flight":        func(c *Config, _ *Group) { c.InFlight = 5000 },
		"gather":           func(c *Config, _ *Group) { c.Gather = -1 },
		"speak":            func(_ *Config, g *Group) { g.Speak = "" },
		"sessions 0":       func(_ *Config, g *Group) { g.Sessions = 0 },
		"probes":           func(_ *Config, g *Group) { g.Probes = 201 },
		"a session":        func(_ *Config, g *Group) { g.Choice.PerSession = 31 },
		"distribution":     func(_ *Config, g *Group) { g.Choice.Distribution = "normal" },
		"cohorts":          func(_ *Config, g *Group) { g.Choice.Cohorts = -1 },
		"bytes a second":   func(_ *Config, g *Group) { g.BytesPerSecond = -1 },
		"a subscription":   func(_ *Config, g *Group) { g.Subscribe = []Subscription{{First: 6}} },
	} {
		cfg := config("127.0.0.1:1")
		change(&cfg, &cfg.Groups[0])
		if _, err := Start(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %s, got %v", want, err)
		}
	}
}

func TestChoiceIsDistinctSeededAndShared(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "instruments")
		c := Choice{
			Instruments: n, PerSession: rapid.IntRange(1, n).Draw(t, "per session"), Seed: rapid.Uint64().Draw(t, "seed"),
			Distribution: rapid.SampledFrom([]string{Uniform, Zipf}).Draw(t, "distribution"),
			Cohorts:      rapid.IntRange(0, 5).Draw(t, "cohorts"),
		}
		session := rapid.IntRange(0, 19_000).Draw(t, "session")
		set := c.Of(session)
		if len(set) != c.PerSession || !slices.IsSorted(set) || len(slices.Compact(slices.Clone(set))) != len(set) {
			t.Fatalf("set %v", set)
		}
		if set[0] < 0 || set[len(set)-1] >= n {
			t.Fatalf("set %v of %d instruments", set, n)
		}
		if !slices.Equal(set, c.Of(session)) {
			t.Fatal("the same session gets another set")
		}
		if c.Cohorts > 0 && !slices.Equal(set, c.Of(session+c.Cohorts)) {
			t.Fatal("sessions of one cohort differ")
		}
	})
}

func TestZipfPrefersTheFirst(t *testing.T) {
	c := Choice{Instruments: 200, PerSession: 20, Distribution: Zipf, Seed: 1}
	var watchers [200]int
	for s := range 500 {
		for _, i := range c.Of(s) {
			watchers[i]++
		}
	}
	if watchers[0] < 400 || watchers[199] > 100 {
		t.Errorf("%d watch the first and %d the last", watchers[0], watchers[199])
	}
}

func TestSourcesAreLoopbackAndDistinct(t *testing.T) {
	seen := make(map[[4]byte]int)
	for s := range 20_000 {
		a := source(s)
		if a[0] != 127 || a[3] == 0 || a[3] == 255 {
			t.Fatalf("session %d from %v", s, a)
		}
		if seen[a]++; seen[a] > sessionsPerAddress {
			t.Fatalf("more than %d sessions from %v", sessionsPerAddress, a)
		}
	}
}
