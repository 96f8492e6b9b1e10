package fanout

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// heapPerSubscriber measures what sessions with 20 quotes of 200, and their statuses, keep alive here.
func heapPerSubscriber(sessions int, stalled bool) float64 {
	w := newWorld(200, 64, Options{})
	random := rand.New(rand.NewPCG(3, 4))
	out := new(switched)
	before := heap()
	subs := make([]*Subscriber, sessions)
	for i := range subs {
		s := w.engine.Attach(out, bare(Proto))
		ids := random.Perm(200)[:20]
		s.Subscribe(w.items(market.ChannelQuote, ids...), throttle.Every250ms)
		s.Subscribe(w.items(market.ChannelStatus, ids...), throttle.Immediate)
		subs[i] = s
		w.worker.turn()
	}
	out.closed = stalled
	for range 30 {
		for i := range 200 {
			w.quote(i)
		}
		w.pass(250)
	}
	after := heap()
	runtime.KeepAlive(subs)
	return float64(after-before) / float64(sessions)
}

// switched takes everything, or nothing.
type switched struct{ closed bool }

func (s *switched) Ready() bool { return !s.closed }

func (s *switched) Send([]byte) bool { return !s.closed }

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What a session costs here is bounded by its subscriptions, however long it is stalled.
func TestMemoryOfASession(t *testing.T) {
	const sessions = 2000
	live, stalled := heapPerSubscriber(sessions, false), heapPerSubscriber(sessions, true)
	t.Logf("%.0f bytes a session in step, %.0f stalled", live, stalled)
	if live > 2500 || stalled > live+20*48*2+1000 {
		t.Errorf("%.0f bytes a session in step, %.0f stalled: more than the design allows", live, stalled)
	}
}
