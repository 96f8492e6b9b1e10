package session_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func unmarshalJSON(text string, f *feedv1.ClientFrame) error {
	return protojson.Unmarshal([]byte(text), f)
}

// lockedConn is a connection that may be called from several goroutines.
type lockedConn struct {
	mu sync.Mutex
	fakeConn
}

func (c *lockedConn) SendControl(payload []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fakeConn.SendControl(payload)
}

func (c *lockedConn) Drained() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fakeConn.Drained()
}

func (c *lockedConn) Ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fakeConn.Ready()
}

func (c *lockedConn) Close(code session.CloseCode, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fakeConn.Close(code, reason)
}

// quietEngine takes everything; its methods may be called from any goroutine.
type quietEngine struct{}

func (quietEngine) Handle(id market.InstrumentID, ch market.Channel, _ market.View) fanout.Handle {
	return handleOf(id, ch)
}
func (quietEngine) View(fanout.Handle) (v market.View)                    { return v }
func (quietEngine) SourceHandle(string) fanout.Handle                     { return 1 }
func (quietEngine) TradesFrom(fanout.Handle) (p market.Position, ok bool) { return p, false }
func (quietEngine) Snapshot([]fanout.Item, fanout.Encoding, int) ([]byte, error) {
	return nil, nil
}
func (e quietEngine) Attach(fanout.Conn, fanout.Framing) session.Subscriber { return e }
func (quietEngine) Subscribe([]fanout.Item, throttle.Cadence)               {}
func (quietEngine) Unsubscribe([]fanout.Handle)                             {}
func (quietEngine) Limit(int)                                               {}
func (quietEngine) Load() (l fanout.Load)                                   { return l }
func (quietEngine) Wake()                                                   {}
func (quietEngine) Detach() fanout.Tally                                    { return fanout.Tally{} }

// The connection's goroutine, a sweeper and a drain may all be at a session at once. The race detector judges.
func TestMethodsMayOverlap(t *testing.T) {
	p := newPlace(exchange())
	conn := new(lockedConn)
	p.env.Engine, p.tier().RequestsPerSecond, p.tier().RequestBurst = quietEngine{}, 1, 3
	s := session.New(&p.env, conn, fakeFraming(fanout.JSON), nil)
	var all sync.WaitGroup
	for _, f := range []func(i int){
		func(i int) { s.Receive([]byte(messages[i%len(messages)])) },
		func(i int) { s.Tick(p.now) },
		func(i int) { s.GoAway("restart", 0, time.Second) },
		func(i int) { s.Wake() },
		func(i int) { s.Refresh() },
	} {
		all.Go(func() {
			for i := range 100 {
				f(i)
			}
		})
	}
	all.Wait()
	s.End()
	sent := len(conn.sent)
	s.GoAway("restart", 0, time.Second)
	s.Tick(p.now + 20_000_000)
	if len(conn.sent) != sent || len(conn.closed) != 0 {
		t.Errorf("something was sent behind the end")
	}
}

func TestEnvValidate(t *testing.T) {
	p := newPlace(exchange())
	if err := p.env.Validate(); err != nil {
		t.Fatal(err)
	}
	err := (&session.Env{ServerFrame: 1000}).Validate()
	if err == nil {
		t.Fatal("an empty Env is taken")
	}
	for _, want := range []string{"Engine is missing", "Directory is missing", "Clock is missing", "Counters is missing", "Log is missing", "ClientFrame of 0 bytes", "ServerFrame of 1000 bytes: want at least 32768", "Heartbeat of 0s", "Policy is missing"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the error:\n%v", want, err)
		}
	}
}

func TestSessionIDsDiffer(t *testing.T) {
	p := newPlace(exchange())
	p.env.NewID = nil
	a, b := p.open(fanout.JSON), p.open(fanout.JSON)
	if a.ID() == b.ID() || len(a.ID()) < 16 {
		t.Errorf("sessions are called %q and %q", a.ID(), b.ID())
	}
}

// A session is one of tens of thousands, so what it keeps is counted in bytes.
func TestMemoryOfASession(t *testing.T) {
	const sessions = 500
	p := newPlace(crowd(1000))
	p.env.Engine = quietEngine{}
	var symbols []string
	for i := range 20 {
		symbols = append(symbols, p.directory.instruments[i*7].Symbol.String())
	}
	ask := encodeClient(t, fanout.Proto, &feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{Symbols: symbols}}})
	all := make([]*session.Session, sessions)
	conns := make([]fakeConn, sessions)
	before := heap()
	for i := range all {
		all[i] = session.New(&p.env, &conns[i], fakeFraming(fanout.Proto), nil)
		all[i].Receive(ask)
		conns[i].sent = nil
	}
	each := (heap() - before) / sessions
	t.Logf("%d bytes a session with %d quote subscriptions", each, len(symbols))
	if each > 2500 {
		t.Errorf("%d bytes a session, want at most 2500", each)
	}
	runtime.KeepAlive(all)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
