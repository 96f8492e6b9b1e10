package client

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Whatever a server sends, a model takes it or says what is wrong with it, and a client knows where to go next: nowhere without the
// encryption that it had.
func FuzzModel(f *testing.F) {
	for _, text := range []string{
		`cut_time_us: 1 quotes: [7, 3, 4, 6, 7, 0]`,
		`cut_time_us: 1 trades {handle: 9 price: 5 size: 1 sequence: 3 epoch: 1} losses {handle: 9 from: 1 to: 2 epoch: 1}`,
		`cut_time_us: 1 books {handle: 11 bids: [100, 5, -1] partial: true sequence: 7 epoch: 3}`,
		`cut_time_us: 1 bars {handle: 14 open: 1 high: 2 trades: 1 start_s: 60} stats {handle: 16 last: 4 full: true turnover: "x"}`,
		`cut_time_us: 1 statuses {handle: 8 quality: 9} source_statuses {source: "x"}`,
		`cut_time_us: 1 quote_texts {symbol: "x:BTC" bid: "1.005" sequence: 1} bar_texts {symbol: "x:BTC" bar_seconds: 60 start: "?"}`,
		`welcome {alternates: "ws://a/v1/ws" alternates: "wss://b/v1/ws" alternates: "\n"} goaway {reconnect_min_ms: 4294967295 reconnect_max_ms: 1 alternates: "http://c"}`,
		`subscribed {results {symbol: "x:BTC" channel: "book" handle: 12 depth: 300} instruments {symbol: "x:BTC" price_scale: 99}}`,
	} {
		m := new(feedv1.ServerFrame)
		if err := prototext.Unmarshal([]byte(text), m); err != nil {
			f.Fatal(text, err)
		}
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, b)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		m, e := viewing(t), NewElsewhere("wss://own/v1/ws")
		for _, payload := range [][]byte{first, second} {
			frame := new(feedv1.ServerFrame)
			if proto.Unmarshal(payload, frame) != nil {
				return
			}
			e.Note(frame)
			for range 4 {
				if u := e.Next(); len(u) < 6 || u[:6] != "wss://" {
					t.Fatalf("goes to %q next", u)
				}
				if d := e.Wait(time.Second, time.Minute); d < 0 {
					t.Fatalf("waits for %v", d)
				}
			}
			if _, err := m.Apply(frame); err != nil {
				var broken *ProtocolError
				if !errors.As(err, &broken) || broken.Text == "" {
					t.Fatalf("%T without words: %v", err, err)
				}
				return
			}
		}
	})
}
