package rest

import (
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/snapshot"
	"github.com/feedd/feedd/throttle"
)

// takerFunc is a Taker.
type takerFunc func(m *feedv1.Subscribe, e fanout.Encoding, limit int) ([]byte, error)

func (f takerFunc) Snapshot(_ *entitlement.Identity, m *feedv1.Subscribe, e fanout.Encoding, limit int) ([]byte, error) {
	return f(m, e, limit)
}

// engine is an engine to which nobody connects.
type engine struct{ *fanout.Engine }

func (engine) Attach(fanout.Conn, fanout.Framing) session.Subscriber { return nil }

// exchange is a market of two instruments that has been open for a while.
func exchange(t *testing.T) *session.Env {
	store := snapshot.NewStore(snapshot.Options{})
	e := fanout.New(store, fanout.Options{Workers: 1})
	store.Begin()
	for _, symbol := range []string{"x:BTC", "x:ETH"} {
		id, err := store.Define(listed(symbol, "A coin"))
		if err != nil {
			t.Fatal(err)
		}
		at := market.Position{Epoch: 7, Sequence: 3}
		store.Quote(id, &market.Quote{Bid: 6183763, BidSize: 152000, Has: market.HasBid, IngestTime: 1_700_000_000_000_000, Position: at})
		for n := range market.Sequence(3) {
			store.Trade(id, &market.Trade{Price: 6183763, Size: 5, IngestTime: 1_700_000_000_000_000, Position: market.Position{Epoch: 7, Sequence: n + 1}})
		}
		store.Book(id, &market.BookEvent{
			Snapshot: true, Bids: []market.Level{{Price: 99, Size: 1}, {Price: 98, Size: 2}}, Asks: []market.Level{{Price: 101, Size: 3}},
			IngestTime: 1_700_000_000_000_000, Position: at,
		})
	}
	store.Commit()
	e.Start()
	t.Cleanup(e.Close)
	env := &session.Env{
		Engine: engine{e}, Directory: store, Policy: throttle.NewInForce(throttle.Default()), Server: "feedd", ClientFrame: 16 << 10, ServerFrame: 64 << 10,
		Heartbeat: time.Second, Clock: func() int64 { return 1_700_000_000_100_000 }, Counters: new(drop.Counters), Log: slog.New(slog.DiscardHandler),
	}
	if err := env.Validate(); err != nil {
		t.Fatal(err)
	}
	return env
}

func ask(h http.Handler, method, query string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/v1/snapshot?"+query, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A client that applies a snapshot as if it had subscribed holds the state of the market, in either encoding.
func TestSnapshotIsWhatSubscribersBeginWith(t *testing.T) {
	h := Snapshot(exchange(t), nil)
	for _, c := range []struct {
		accept, kind string
		read         func([]byte, proto.Message) error
	}{
		{"", "application/json", protojson.Unmarshal},
		{"application/x-protobuf", "application/x-protobuf", proto.Unmarshal},
		{"text/html, application/protobuf;q=0.5", "application/x-protobuf", proto.Unmarshal},
		{"application/x-protobuf;q=0, */*", "application/json", protojson.Unmarshal},
	} {
		t.Run(c.accept, func(t *testing.T) {
			w := ask(h, http.MethodGet, "symbols=x:*&channels=quote,trade,book,status&depth=1&history=2", "Accept", c.accept)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != c.kind || w.Header().Get("Cache-Control") != "no-store" {
				t.Fatalf("got %d %v: %s", w.Code, w.Header(), w.Body)
			}
			f := new(feedv1.ServerFrame)
			if err := c.read(w.Body.Bytes(), f); err != nil {
				t.Fatal(err)
			}
			m := client.NewModel()
			u, err := m.Apply(f)
			if err != nil {
				t.Fatal(err)
			}
			if len(u.Trades) != 4 || len(u.Instruments) != 2 {
				t.Errorf("%d trades of %d instruments", len(u.Trades), len(u.Instruments))
			}
			for _, symbol := range []string{"x:BTC", "x:ETH"} {
				q, _ := m.Quote(symbol)
				book, ok := m.Book(symbol, market.View{Depth: 1})
				st, known := m.Status(symbol)
				if q.Bid != 6183763 || !ok || len(book.Bids()) != 1 || book.Bids()[0].Price != 99 || !known || st.Quality != market.QualityOK {
					t.Errorf("%s: %+v, %+v, %+v", symbol, q, book.Bids(), st)
				}
			}
		})
	}
}

func TestSnapshotIsCompressedForThoseWhoTakeIt(t *testing.T) {
	h := Snapshot(exchange(t), nil)
	plain := ask(h, http.MethodGet, "symbols=x:*&channels=quote,trade,book")
	for accept, want := range map[string]string{"gzip": "gzip", "br, gzip;q=0.8": "gzip", "*": "gzip", "gzip;q=0": "", "": ""} {
		w := ask(h, http.MethodGet, "symbols=x:*&channels=quote,trade,book", "Accept-Encoding", accept)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("%q: encoded as %q, want %q", accept, got, want)
			continue
		}
		if want == "" {
			continue
		}
		r, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		f := new(feedv1.ServerFrame)
		if text, err := io.ReadAll(r); err != nil || protojson.Unmarshal(text, f) != nil || len(text) < plain.Body.Len()/2 {
			t.Errorf("%q: %d bytes, %v", accept, len(text), err)
		}
	}
	if vary := plain.Header().Get("Vary"); vary != "Accept, Accept-Encoding, Authorization" {
		t.Errorf("Vary: %q", vary)
	}
}

func TestSnapshotRefusesInWords(t *testing.T) {
	h := Snapshot(exchange(t), nil)
	for _, c := range []struct {
		method, query string
		status        int
		want          string
	}{
		{"GET", "", 400, "symbols is empty: name instruments"},
		{"GET", "symbols=,", 400, "symbols is empty"},
		{"GET", "symbol=x:BTC", 400, `unknown parameter \"symbol\": want symbols, channels, depth, price_group, bar_seconds, timeliness and history`},
		{"GET", "symbols=x:BTC&symbols=x:ETH", 400, "given 2 times: want it once"},
		{"GET", "symbols=x:BTC&channels=pears", 400, `channel \"pears\": this server sends quote`},
		{"GET", "symbols=x:BTC&channels=book&depth=7", 400, "depth 7: want one of 1, 5, 10"},
		{"GET", "symbols=x:BTC&channels=book&depth=-1", 400, `depth \"-1\": want a number`},
		{"GET", "symbols=x:BTC&channels=book&price_group=10", 400, "want a depth"},
		{"GET", "symbols=x:BTC&channels=bar&bar_seconds=5", 400, "bar_seconds 5: want one of"},
		{"GET", "symbols=x:BTC&history=many", 400, "history \\\"many\\\": want a number"},
		{"GET", "symbols=" + strings.Repeat("x:BTC,", 1025), 400, "at most 1024 are allowed"},
		{"GET", "symbols=BTC", 400, "want venue:NAME"},
		{"GET", "symbols=x:BTX", 404, `did you mean \"x:BTC\"?`},
		{"GET", "symbols=y:*", 404, "fits no instrument"},
		{"GET", "symbols=@majors", 404, "this server has no lists"},
		{"GET", "symbols=%zz", 400, "cannot be read"},
		{"DELETE", "symbols=x:BTC", 405, "want GET"},
	} {
		t.Run(c.query[:min(len(c.query), 60)], func(t *testing.T) {
			w := ask(h, c.method, c.query)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || !strings.HasPrefix(w.Body.String(), `{"error":"`) {
				t.Errorf("got %d %s, want %d with %q", w.Code, w.Body, c.status, c.want)
			}
		})
	}
	t.Run("some of it unknown", func(t *testing.T) {
		w := ask(h, http.MethodGet, "symbols=x:BTC,x:NONE")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "ERROR_CODE_UNKNOWN_SYMBOL") || !strings.Contains(w.Body.String(), "61837.63") {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
	for err, want := range map[error]int{&fanout.TooLargeError{Limit: 16 << 20}: 400, errors.New("broken"): 500} {
		w := ask(Snapshot(takerFunc(func(*feedv1.Subscribe, fanout.Encoding, int) ([]byte, error) { return nil, err }), nil), "GET", "symbols=x:BTC")
		if w.Code != want {
			t.Errorf("%v: got %d %s, want %d", err, w.Code, w.Body, want)
		}
	}
}

// Only a few are taken at a time; who has waited a second is asked to come again.
func TestSnapshotsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		h := Snapshot(takerFunc(func(*feedv1.Subscribe, fanout.Encoding, int) ([]byte, error) {
			<-gate
			return []byte("{}"), nil
		}), nil)
		codes := make(chan int, AtATime+1)
		for range AtATime + 1 {
			go func() { codes <- ask(h, "GET", "symbols=x:BTC").Code }()
		}
		if got := <-codes; got != http.StatusServiceUnavailable {
			t.Errorf("the first answer is %d", got)
		}
		close(gate)
		for range AtATime {
			if got := <-codes; got != http.StatusOK {
				t.Errorf("got %d", got)
			}
		}
		if w := ask(h, "HEAD", "symbols=x:BTC"); w.Code != http.StatusOK || w.Header().Get("Content-Length") != "2" {
			t.Errorf("afterwards %d %v", w.Code, w.Header())
		}
	})
}

func TestNamedLists(t *testing.T) {
	for _, c := range []struct {
		lists  Lists
		method string
		query  string
		status int
		want   string
	}{
		{shelves, "GET", "", 200, `{"lists":[{"name":"coins","symbols":["binance:BTCUSDT","sim:BTC"]},{"name":"none","symbols":[]}]}` + "\n"},
		{nil, "GET", "", 200, `{"lists":[]}` + "\n"},
		{shelves, "GET", "name=coins", 400, `{"error":"unknown parameter \"name\": there are none here"}` + "\n"},
		{shelves, "PUT", "", 405, `{"error":"PUT is not possible here: want GET"}` + "\n"},
	} {
		w := httptest.NewRecorder()
		NamedLists(c.lists, nil).ServeHTTP(w, httptest.NewRequest(c.method, "/v1/lists?"+c.query, nil))
		if w.Code != c.status || w.Body.String() != c.want {
			t.Errorf("%s %q: got %d %s, want %d %s", c.method, c.query, w.Code, w.Body, c.status, c.want)
		}
	}
}

func FuzzParseSnapshot(f *testing.F) {
	for _, seed := range []string{"symbols=x:BTC,@majors,x:*&channels=quote,book&depth=10&price_group=100", "bar_seconds=60&history=4294967295", "history=-1", "depth=%zz", "symbols=,,,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseSnapshot(text)
		if err != nil {
			return
		}
		for _, word := range append(m.Symbols, m.Channels...) {
			if word == "" || strings.Contains(word, ",") {
				t.Errorf("%q is one of %q", word, text)
			}
		}
	})
}
