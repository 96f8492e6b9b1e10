package crowd

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func group() Group {
	return Group{
		Name: "g", Clients: 1, Choice: load.Choice{Instruments: 3, PerSession: 3, Distribution: load.Uniform},
		Subscribe: []load.Subscription{{Channels: []string{"quote", "trade"}}},
	}
}

// quoteRow is the row of a quote that the market made.
func quoteRow(instrument int, p market.Position) client.QuoteRow {
	q := feed.NewWalk(1, instrument).Next(0)
	return client.QuoteRow{
		Symbol: feed.Symbols(3)[instrument], Full: p.Sequence != 0,
		Quote: market.Quote{Bid: q.Bid, BidSize: q.BidSize, Ask: q.Ask, AskSize: q.AskSize, Position: p},
	}
}

func trade(sequence market.Sequence) client.TradeEvent {
	p := market.Position{Epoch: 1, Sequence: sequence}
	return client.TradeEvent{Symbol: "bench:I00000", Trade: market.Trade{Position: p}}
}

func TestWhatGoesBackIsTold(t *testing.T) {
	at := func(epoch market.Epoch, n market.Sequence) market.Position {
		return market.Position{Epoch: epoch, Sequence: n}
	}
	other := quoteRow(0, at(1, 1))
	other.Symbol = feed.Symbols(3)[1]
	for _, c := range []struct {
		name    string
		updates []client.Update
		problem string
	}{
		{"forward", []client.Update{
			{Quotes: []client.QuoteRow{quoteRow(0, at(1, 5)), quoteRow(1, at(1, 2))}, Trades: []client.TradeEvent{trade(1)}},
			{Quotes: []client.QuoteRow{quoteRow(0, at(2, 1)), quoteRow(1, at(1, 2))}, Trades: []client.TradeEvent{trade(2)}},
		}, ""},
		{"a difference has no position", []client.Update{{Quotes: []client.QuoteRow{quoteRow(0, at(1, 5)), quoteRow(0, at(0, 0))}}}, ""},
		{"a quote goes back", []client.Update{{Quotes: []client.QuoteRow{quoteRow(0, at(1, 5))}}, {Quotes: []client.QuoteRow{quoteRow(0, at(1, 4))}}}, "went back"},
		{"an epoch goes back", []client.Update{{Quotes: []client.QuoteRow{quoteRow(0, at(2, 5))}}, {Quotes: []client.QuoteRow{quoteRow(0, at(1, 9))}}}, "went back"},
		{"a trade goes back", []client.Update{{Trades: []client.TradeEvent{trade(7)}}, {Trades: []client.TradeEvent{trade(6)}}}, "went back"},
		{"a quote of another instrument", []client.Update{{Quotes: []client.QuoteRow{other}}}, "never published"},
	} {
		crowd := &Crowd{cfg: Config{Groups: []Group{group()}}}
		m := newMember(crowd, group(), 0, 1)
		for _, u := range c.updates {
			m.memory.update(u)
		}
		told := strings.Join(crowd.Mark().Problems, "; ")
		if c.problem == "" && told != "" || !strings.Contains(told, c.problem) {
			t.Errorf("%s: told %q, want %q", c.name, told, c.problem)
		}
	}
}

// A server that refuses everybody is no reason to give up, and each refusal is counted.
func TestRefusalsAreCounted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer server.Close()
	c, err := Start(Config{URL: "ws" + strings.TrimPrefix(server.URL, "http") + "/v1/ws", Groups: []Group{group()}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		m := c.Mark()
		for how := range m.Ended {
			if m.Live != 0 || m.Clients != 1 || !strings.Contains(how, "503") {
				t.Fatalf("%+v, want nobody and a refusal of 503", m)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no refusal was counted")
		}
	}
}

func TestGarbageIsSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan int, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(conn)
			got <- len(b)
			_ = conn.Close()
		}
	}()
	n, err := (&Crowd{}).Garbage(l.Addr().String())
	if err != nil || n != len(garbage("x")) {
		t.Fatalf("%d pieces were sent: %v", n, err)
	}
	for range n {
		<-got
	}
	_ = l.Close()
	<-done
}
