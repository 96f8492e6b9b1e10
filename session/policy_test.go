package session_test

import (
	"slices"
	"testing"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/policy"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/throttle"
)

// compiled returns the policy of a text.
func compiled(t fataler, text string) *throttle.Policy {
	d, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d.Compile(2, time.Unix(0, 0))
}

func (p *place) subscribe(t *testing.T, s *session.Session, m *feedv1.Subscribe) {
	t.Helper()
	for _, f := range ask(t, p, s, fanout.Proto, &feedv1.ClientFrame{Id: 7, Request: &feedv1.ClientFrame_Subscribe{Subscribe: m}}) {
		for _, r := range f.GetSubscribed().GetResults() {
			if r.Code != 0 {
				t.Fatalf("refused: %v", r)
			}
		}
	}
}

func TestPreviewSaysWhatAdoptingDoes(t *testing.T) {
	const next = `
tiers: {default: {fastest: 1s}}
rules:
  - {name: books, channels: [book], depth: 10}
  - {name: dark, symbols: ["test:*"], timeliness: none}
  - {name: quick, symbols: ["nyse:*"], fastest: 100ms}
stops:
  - {name: halt, symbols: ["binance:SOL*"]}
`
	p := newPlace(exchange())
	s := p.open(fanout.Proto)
	ask(t, p, s, fanout.Proto, &feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{}}})
	ms := uint32(100)
	p.subscribe(t, s, &feedv1.Subscribe{Symbols: []string{"binance:BTCUSDT", "binance:SOLUSDT", "nyse:BRK.B", "test:FAKE"}, CadenceMs: &ms})
	p.subscribe(t, s, &feedv1.Subscribe{Symbols: []string{"binance:BTCUSDT"}, Channels: []string{"book"}, CadenceMs: &ms})
	p.engine.load = fanout.Load{Frames: 10, Bytes: 1000}
	s.Tick(p.now)
	p.engine.load = fanout.Load{Frames: 20, Bytes: 3000}
	s.Tick(p.now + 1_000_000)

	var e session.Effect
	s.Preview(compiled(t, next), &e)
	if e.Sessions != 1 || e.OfSessions != 1 || e.OfLanes != 1 || e.Subscriptions != 4 || e.Withdrawn != 1 || e.Replaced != 1 || e.Lanes != 1 {
		t.Errorf("%+v", e)
	}
	for m, want := range map[session.Move]session.Moved{
		{Tier: "default", From: throttle.Every100ms, To: throttle.Every1s}: {Subscriptions: 2, Sessions: 1},
		{Tier: "default", From: throttle.Every100ms, To: throttle.Paused}:  {Subscriptions: 1, Sessions: 1},
	} {
		if e.Moves[m] != want {
			t.Errorf("%+v: got %+v, want %+v", m, e.Moves[m], want)
		}
	}
	if e.Now != (session.Rate{Frames: 10, Bytes: 2000}) || e.Then.Bytes > 500 || e.Then.Bytes < 400 {
		t.Errorf("traffic now %+v, then %+v", e.Now, e.Then)
	}

	// It was a look, no more; what comes of it is the same.
	before := s.Describe()
	if before.Subscriptions != 5 || before.Cadences[throttle.Every100ms] != 5 || before.Rate.Bytes != 2000 {
		t.Errorf("%+v", before)
	}
	p.env.Policy.Replace(compiled(t, next))
	if !s.Refresh() {
		t.Fatal("not done")
	}
	after := s.Describe()
	if after.Subscriptions != 4 || after.Cadences[throttle.Every1s] != 2 || after.Cadences[throttle.Paused] != 1 || after.Cadences[throttle.Every100ms] != 1 {
		t.Errorf("%+v", after)
	}
	if p.engine.fault != "" {
		t.Error(p.engine.fault)
	}
	e = session.Effect{}
	if s.Preview(compiled(t, next), &e); e.Subscriptions != 0 || e.Sessions != 0 {
		t.Errorf("once it is in force: %+v", e)
	}
}

func TestASessionIsSentAway(t *testing.T) {
	p := newPlace(exchange())
	p.env.Policy.Replace(compiled(t, "tiers: {default: {priority: 7}}"))
	s := p.open(fanout.Proto)
	if s.Priority() != 7 {
		t.Errorf("priority %d", s.Priority())
	}
	s.Shed(5*time.Second, 30*time.Second)
	s.Shed(time.Second, time.Second) // ended already
	if !slices.Equal(p.conn.closed, []session.CloseCode{session.CloseOverload}) || p.env.Counters.Count(drop.ShedSession) != 1 {
		t.Errorf("closed with %v, %d counted", p.conn.closed, p.env.Counters.Count(drop.ShedSession))
	}
}
