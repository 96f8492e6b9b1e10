package session_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

var messages = []string{
	`{"id":1,"hello":{"client":"watch 1.0","token":"t"}}`,
	`{"id":2,"subscribe":{"symbols":["binance:BTCUSDT","binance:*"],"channels":["quote","trade","status"],"cadenceMs":20,"history":9,"resume":[{"symbol":"binance:BTCUSDT","channel":"trade","epoch":"1","sequence":"2"}]}}`,
	`{"id":3,"setRate":{"handles":[1,2],"cadenceMs":7,"visibility":"VISIBILITY_PAUSED"}}`,
	`{"id":4,"unsubscribe":{"handles":[2,4294967295]}}`,
	`{"id":5,"ping":{"clientTimeUs":"-1"}}`,
	`{"refreshToken":{}}`,
	`{"subscribe":{"symbols":["a:\u0001*",":","**:*","BTC"],"channels":["\u0000","quote"]}}`,
	`{"unsubscribe":{}}`,
	`{"id":7,"subscribe":{"symbols":["@majors","later:*","*"],"channels":["book","quote"],"depth":1}}`,
	`{"id":8,"unsubscribe":{"patterns":["@majors","later:*","?"],"handles":[1,21]}}`,
	`{"id":6,"subscribe":{"symbols":["test:FAKE"],"channels":["book","bar","stats","trade"],"depth":20,"priceGroup":"500","barSeconds":86400,"tradeSummary":true}}`,
}

// What a stranger sends ends in an answer or in nothing, within bounds, and leaves the session in order.
func FuzzReceive(f *testing.F) {
	for _, m := range messages {
		f.Add([]byte(m), []byte(messages[1]), false)
		f.Add(protoOf(f, m), protoOf(f, messages[1]), true)
	}
	f.Add([]byte("\xff\xff\xff"), []byte{0x1a, 0xff, 0x01}, true)
	f.Add([]byte(`{"id":1,"id":2}`), []byte(strings.Repeat("[", 5000)), false)
	f.Fuzz(func(t *testing.T, first, second []byte, binary bool) {
		e := fanout.JSON
		if binary {
			e = fanout.Proto
		}
		p := newPlace(exchange())
		if len(first) > p.env.ClientFrame || len(second) > p.env.ClientFrame {
			t.Skip("longer than the transport lets through")
		}
		s := p.open(e)
		for i, payload := range [][]byte{first, second, first} {
			p.directory.define(crowd(i + 1)[i])
			p.directory.define(market.Instrument{Symbol: market.Symbol{Venue: "later", Name: "A"}, Source: "later", Delisted: i == 1})
			if len(p.conn.closed) == 0 && !s.Refresh() {
				t.Fatal("a connection that is ready is not")
			}

			before, total := len(p.conn.sent), 0
			s.Receive(payload)
			for _, answer := range p.conn.sent[before:] {
				if len(answer) > p.env.ServerFrame {
					t.Fatalf("a frame of %d bytes", len(answer))
				}
				decodeServer(t, e, answer)
				total += len(answer)
			}
			if bound := 256*len(payload) + p.env.ServerFrame; total > bound {
				t.Fatalf("%d bytes in answer to %d", total, len(payload))
			}
		}
		if p.engine.fault != "" {
			t.Fatal(p.engine.fault)
		}
		s.Receive(encodeClient(t, e, &feedv1.ClientFrame{Request: &feedv1.ClientFrame_Unsubscribe{Unsubscribe: &feedv1.Unsubscribe{}}}))
		if len(p.conn.closed) == 0 && len(p.engine.active) > 0 {
			t.Fatalf("unsubscribed from all, but the engine sends %v", p.engine.active)
		}
		s.End()
	})
}

func protoOf(f *testing.F, json string) []byte {
	var m feedv1.ClientFrame
	if err := unmarshalJSON(json, &m); err != nil {
		f.Fatalf("%s: %v", json, err)
	}
	b, err := proto.Marshal(&m)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// Frames of protobuf that are no ClientFrame are refused like their counterparts in JSON; what a newer client
// adds is passed over.
func TestProtobufFrames(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame string
		want  string
	}{
		{"unknown field ahead of a ping", "\x08\x05" + "\x9a\x06\x03abc" + "\x32\x00", `{"replyTo":5,"pong":{"serverTimeUs":"1700000000000000"}}`},
		{"unknown request", "\x08\x05" + "\x9a\x06\x03abc", `{"replyTo":5,"error":{"code":"ERROR_CODE_UNKNOWN_REQUEST","text":"a ClientFrame without a request that this server knows: it takes one of hello, subscribe, unsubscribe, setRate, ping, refreshToken"}}`},
		{"cut off", "\x08\x05\x1a\x09ab", `{"replyTo":5,"error":{"code":"ERROR_CODE_MALFORMED","text":"not a ClientFrame in protobuf: cannot parse invalid wire-format data"}}`},
		{"not UTF-8", "\x12\x03\x0a\x01\xff", `{"error":{"code":"ERROR_CODE_MALFORMED","text":"not a ClientFrame in protobuf: string field contains invalid UTF-8"}}`},
		{"empty", "", `{"error":{"code":"ERROR_CODE_UNKNOWN_REQUEST","text":"a ClientFrame without a request that this server knows: it takes one of hello, subscribe, unsubscribe, setRate, ping, refreshToken"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(exchange())
			s := p.open(fanout.Proto)
			s.Receive([]byte(c.frame))
			if got := readable(t, fanout.Proto, p.conn.sent[len(p.conn.sent)-1]); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Of everything a session must keep, the largest answers are those to subscribes.
func TestLargeAnswersComeInParts(t *testing.T) {
	for name, e := range map[string]fanout.Encoding{"proto": fanout.Proto, "json": fanout.JSON} {
		t.Run(name, func(t *testing.T) {
			crowd := crowd(3000)
			for i := range crowd {
				crowd[i].Description = strings.Repeat(`"\`, 300)
			}
			p := newPlace(crowd)
			p.tier().Subscriptions, p.tier().SymbolsPerRequest = 5000, 2500
			s := p.open(e)
			ask(t, p, s, e, &feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{}}})

			frames := ask(t, p, s, e, &feedv1.ClientFrame{Id: 2, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{Symbols: []string{"*"}}}})
			told, accepted := map[string]bool{}, 0
			for _, f := range frames {
				for _, in := range f.Subscribed.Instruments {
					if told[in.Symbol] || len(in.Description) > 300 {
						t.Fatalf("told of %s again, or at length: %q", in.Symbol, in.Description)
					}
					told[in.Symbol] = true
				}
				for _, r := range f.Subscribed.Results {
					if r.Handle != 0 {
						accepted++
						if !told[r.Symbol] {
							t.Fatalf("%s has a handle ahead of its instrument", r.Symbol)
						}
					}
				}
			}
			if accepted != 2500 || len(frames) < 10 {
				t.Fatalf("%d accepted in %d frames", accepted, len(frames))
			}
			frames = ask(t, p, s, e, &feedv1.ClientFrame{Id: 3, Request: &feedv1.ClientFrame_SetRate{SetRate: &feedv1.SetRate{CadenceMs: proto.Uint32(20)}}})
			if n := handlesIn(frames, func(f *feedv1.ServerFrame) []uint32 { return f.Grants[0].Handles }); n != 2500 || len(frames) != 3 {
				t.Fatalf("%d handles granted in %d frames", n, len(frames))
			}
			frames = ask(t, p, s, e, &feedv1.ClientFrame{Id: 4, Request: &feedv1.ClientFrame_Unsubscribe{Unsubscribe: &feedv1.Unsubscribe{}}})
			if n := handlesIn(frames, func(f *feedv1.ServerFrame) []uint32 { return f.Unsubscribed.Handles }); n != 2500 || len(frames) != 3 {
				t.Fatalf("%d handles unsubscribed in %d frames", n, len(frames))
			}
		})
	}
}

func handlesIn(frames []*feedv1.ServerFrame, of func(*feedv1.ServerFrame) []uint32) (n int) {
	for _, f := range frames {
		n += len(of(f))
	}
	return n
}

// A request full of refusals is answered in full, but not in full sentences.
func TestManyRefusals(t *testing.T) {
	p := newPlace(exchange())
	s := p.open(fanout.JSON)
	m := &feedv1.Subscribe{Channels: []string{"quote", "trade", "book", "pears"}}
	for range 1000 {
		m.Symbols = append(m.Symbols, "x")
	}
	ask(t, p, s, fanout.JSON, &feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{}}})
	frames := ask(t, p, s, fanout.JSON, &feedv1.ClientFrame{Id: 2, Request: &feedv1.ClientFrame_Subscribe{Subscribe: m}})
	results, texts := 0, 0
	for _, f := range frames {
		for _, r := range f.Subscribed.Results {
			results++
			if r.Text != "" {
				texts++
			}
			if r.Code == 0 {
				t.Fatalf("result without a code: %v", r)
			}
		}
	}
	if results != 4000 || texts != 32 {
		t.Errorf("%d results, %d with text", results, texts)
	}
}
