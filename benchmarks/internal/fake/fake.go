// Package fake is a server that speaks just enough of feed.v1 to test the load generator: it greets,
// answers a Subscribe with handles and full rows, and sends a cut when the test says so. It can be made to
// lie.
package fake

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/probe"
	"github.com/feedd/feedd/internal/client/quoterow"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Server is a fake feedd with a market of its own.
type Server struct {
	gws.BuiltinEventHandler
	Address string

	t    *testing.T
	http *httptest.Server
	open sync.WaitGroup // connections

	mu         sync.Mutex // guards everything below
	numbers    map[string]int
	walks      []*feed.Walk
	last       []feed.Quote
	before     []feed.Quote // the last but one
	ticks      uint64
	merged     uint32 // ticks of each instrument that had no cut
	sessions   map[*gws.Conn]*session
	subscribes []*feedv1.Subscribe // requests, in order of arrival
	pongs      []string            // payloads of the pongs, in order of arrival
}

type session struct {
	instruments []int
	sent        []feed.Quote
}

// New starts a server of so many instruments, which lasts as long as the test. It compresses for those who offer it.
func New(t *testing.T, instruments int) *Server {
	t.Helper()
	return start(t, instruments, (*httptest.Server).Start)
}

// NewTLS is New behind TLS; trust is the certificate in PEM.
func NewTLS(t *testing.T, instruments int) (s *Server, trust string) {
	t.Helper()
	s = start(t, instruments, (*httptest.Server).StartTLS)
	return s, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw}))
}

func start(t *testing.T, instruments int, listen func(*httptest.Server)) *Server {
	t.Helper()
	s := &Server{t: t, numbers: make(map[string]int), sessions: make(map[*gws.Conn]*session)}
	for i, symbol := range feed.Symbols(instruments) {
		s.numbers[symbol] = i
		s.walks = append(s.walks, feed.NewWalk(1, i))
		s.last = append(s.last, feed.Quote{})
	}
	s.before = make([]feed.Quote, instruments)
	s.tick()
	upgrader := gws.NewUpgrader(s, &gws.ServerOption{
		SubProtocols: []string{"feedd.v1.proto"}, PermessageDeflate: gws.PermessageDeflate{Enabled: true, Threshold: 1},
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		s.open.Go(conn.ReadLoop)
	})
	s.http = httptest.NewUnstartedServer(mux)
	listen(s.http)
	s.Address = s.http.Listener.Addr().String()
	t.Cleanup(s.close)
	return s
}

func (s *Server) close() {
	s.mu.Lock()
	for conn := range s.sessions {
		_ = conn.NetConn().Close()
	}
	s.mu.Unlock()
	s.http.Close()
	s.open.Wait()
}

// tick needs mu, or nobody else.
func (s *Server) tick() {
	s.ticks++
	for i, w := range s.walks {
		s.before[i], s.last[i] = s.last[i], w.Next(0)
	}
}

// OnMessage answers a Subscribe, and a SetRate with the grant that was wished.
func (s *Server) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer func() { _ = message.Close() }()
	var request feedv1.ClientFrame
	err := proto.Unmarshal(message.Bytes(), &request)
	if rate := request.GetSetRate(); rate != nil && err == nil {
		s.write(conn, &feedv1.ServerFrame{ReplyTo: request.GetId(), Grants: []*feedv1.Grant{{CadenceMs: rate.GetCadenceMs()}}})
		return
	}
	if err != nil || request.GetSubscribe() == nil {
		s.t.Errorf("client sends %q: %v", message.Bytes(), err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribes = append(s.subscribes, request.GetSubscribe())
	to := &session{}
	answer, grant := &feedv1.Subscribed{}, &feedv1.Grant{CadenceMs: request.GetSubscribe().GetCadenceMs()}
	rows := &feedv1.ServerFrame{CutTimeUs: uint64(time.Now().UnixMicro())}
	for _, symbol := range request.GetSubscribe().GetSymbols() {
		i, ok := s.numbers[symbol]
		if !ok {
			answer.Results = append(answer.Results, &feedv1.SubscribeResult{Symbol: symbol, Text: "no such instrument"})
			continue
		}
		to.instruments = append(to.instruments, i)
		to.sent = append(to.sent, s.last[i])
		answer.Instruments = append(answer.Instruments, &feedv1.Instrument{Symbol: symbol})
		answer.Results = append(answer.Results, &feedv1.SubscribeResult{Symbol: symbol, Channel: "quote", Handle: uint32(i + 1)})
		grant.Handles = append(grant.Handles, uint32(i+1))
		rows.Quotes = quoterow.Append(rows.Quotes, full(i, s.last[i], s.ticks))
	}
	s.sessions[conn] = to
	s.write(conn, &feedv1.ServerFrame{Welcome: &feedv1.Welcome{Session: "fake"}})
	s.write(conn, &feedv1.ServerFrame{ReplyTo: request.GetId(), Subscribed: answer, Grants: []*feedv1.Grant{grant}})
	s.write(conn, rows)
}

// OnPong notes the answer to a ping.
func (s *Server) OnPong(_ *gws.Conn, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pongs = append(s.pongs, string(payload))
}

// OnPing has nothing to answer: clients of the benchmark send none.
func (s *Server) OnPing(*gws.Conn, []byte) { s.t.Error("client sends a ping") }

func (s *Server) write(conn *gws.Conn, f *feedv1.ServerFrame) {
	b, err := proto.Marshal(f)
	if err != nil {
		s.t.Error(err)
		return
	}
	_ = conn.WriteMessage(gws.OpcodeBinary, b) // a session that left is the test's business
}

// A Lie is what a cut has wrong, of one row in each frame.
type Lie uint8

// Lies.
const (
	Honest  Lie = iota
	Wrong       // one number
	Stale       // the quote before, as if nothing had ticked
	LeftOut     // there is no such row, and the next one starts from what the reader has
	Dropped     // there is no such row, and the next one starts from what it should have been
	Twice       // the row comes twice
	Back        // a full row, with a number of before
	Counted     // one tick more is said to be merged
	Silent      // and one less
)

// Tick lets each instrument tick, which the next cut merges.
func (s *Server) Tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick()
	s.merged++
}

// Cut sends every session the difference to what it has, after a tick of each instrument.
func (s *Server) Cut(lie Lie) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick()
	for conn, to := range s.sessions {
		f := &feedv1.ServerFrame{CutTimeUs: uint64(time.Now().UnixMicro()), Conflated: s.merged * uint32(len(to.instruments))}
		for k, i := range to.instruments {
			if k == 0 {
				s.lie(f, to, lie)
				continue
			}
			f.Quotes = quoterow.Append(f.Quotes, difference(i, to.sent[k], s.last[i]))
			to.sent[k] = s.last[i]
		}
		s.write(conn, f)
	}
	s.merged = 0
}

// lie adds the first row of a frame. It needs mu.
func (s *Server) lie(f *feedv1.ServerFrame, to *session, lie Lie) {
	i, q := to.instruments[0], s.last[to.instruments[0]]
	row := difference(i, to.sent[0], q)
	switch lie {
	case Wrong:
		row.AskSize++
	case Stale:
		q = s.before[i]
		row = difference(i, to.sent[0], q)
	case LeftOut:
		return
	case Dropped:
		to.sent[0] = q
		return
	case Twice:
		f.Quotes = quoterow.Append(f.Quotes, row)
	case Back:
		row = full(i, q, s.ticks-1)
	case Counted:
		f.Conflated++
	case Silent:
		f.Conflated--
	}
	to.sent[0] = q
	f.Quotes = quoterow.Append(f.Quotes, row)
}

func difference(i int, from, q feed.Quote) quoterow.Row {
	return quoterow.Row{
		Handle: uint32(i + 1), Bid: q.Bid - from.Bid, BidSize: q.BidSize - from.BidSize,
		Spread: q.Ask - q.Bid - (from.Ask - from.Bid), AskSize: q.AskSize - from.AskSize,
	}
}

func full(i int, q feed.Quote, sequence uint64) quoterow.Row {
	return quoterow.Row{
		Handle: uint32(i + 1), Bid: q.Bid, BidSize: q.BidSize, Spread: q.Ask - q.Bid, AskSize: q.AskSize, Has: proto.Uint32(0b111),
		Sequence: sequence, Epoch: 1,
	}
}

// Ping pings every session.
func (s *Server) Ping(payload string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.sessions {
		_ = conn.WritePing([]byte(payload))
	}
}

// Market is all that was published so far.
func (s *Server) Market() (m probe.Market) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Seed = 1
	for range s.walks {
		m.Ticks = append(m.Ticks, s.ticks)
	}
	return m
}

// Last returns the last quotes.
func (s *Server) Last() []feed.Quote {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]feed.Quote(nil), s.last...)
}

// Requests returns what was subscribed to so far and the pongs that came.
func (s *Server) Requests() (subscribes []*feedv1.Subscribe, pongs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*feedv1.Subscribe(nil), s.subscribes...), append([]string(nil), s.pongs...)
}

// CloseAll closes every session with a code.
func (s *Server) CloseAll(code uint16, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.sessions {
		_ = conn.WriteClose(code, []byte(reason))
	}
}
