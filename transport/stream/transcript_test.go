package stream_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/snapshot"
	"github.com/feedd/feedd/throttle"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/stream"
)

var rewrite = flag.Bool("rewrite", false, "write what happened into testdata instead of comparing")

// TestTranscripts plays the client's side of the conversations in testdata, over real HTTP and with real sessions and a real
// engine behind it, and compares all that comes back. In a transcript,
//
//	< …   is what the client sends: a request line, then its headers, then the lines of its body
//	> …   what comes: a status, the headers that matter, then the lines of the body. Of a response that does not end, up to the line
//	      with the words of "until"
//	# …   something that happens:
//	        trades SYMBOL N       N trades, one a cent dearer than the other; of epoch 7, numbered from 1
//	        quote SYMBOL BID      a quote, its ask two cents higher
//	        until WORDS           what comes on the response that does not end is read up to these words; ahead of a poll: the client
//	                              polls until an answer holds them, and all of that is written down as one answer
//	        goaway REASON         the node says that it stops; drain: it lets nobody in any more, and ends all sessions
//	        refuse WHY            the node lets nobody in for a while
//	        hang up               the client ends the response that does not end
//	      and, ahead of everything else,
//	        tokens                nobody is served without one: the token "ada" is good for test:FAKE alone
//	        address N             so many connections may come from one address
//	// …  words for the reader
//
// In what the client sends, SECRET stands for the secret of its session, ANSWER for the number of the last answer, and EARLIER for
// that of the one before. What differs from run to run is written as …
//
// go test ./transport/stream -run Transcripts -rewrite writes the server's side anew.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &stage{t: t, instruments: map[string]market.InstrumentID{}, counts: map[string]market.Sequence{}}
			s.play(string(want))
			if *rewrite {
				if err := os.WriteFile(file, s.out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got := s.out.String(); got != string(want) {
				t.Errorf("%s does not say what happened; -rewrite writes this:\n%s", file, got)
			}
		})
	}
}

// stage is where a transcript is played: a node, and a client of it.
type stage struct {
	t      *testing.T
	out    bytes.Buffer
	bounds gate.Options
	strict bool

	store       *snapshot.Store
	gate        *gate.Gate
	streams     *stream.Server
	url         string
	instruments map[string]market.InstrumentID
	counts      map[string]market.Sequence // of what was published

	asked   []string      // lines of the request that is being written down
	open    *bufio.Reader // of the response that does not end
	hangUp  context.CancelFunc
	until   string // of the next poll
	secret  string
	answer  string // number of the last answer to a poll
	earlier string // of the one before
	answers int    // as they are written down
}

func (s *stage) play(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		mark, rest, _ := strings.Cut(line, " ")
		if mark == ">" {
			continue
		}
		if mark == "<" && len(s.asked) > 0 && method.MatchString(rest) || mark != "<" {
			s.ask()
		}
		fmt.Fprintln(&s.out, line)
		switch mark {
		case "<":
			s.asked = append(s.asked, rest)
		case "#":
			s.happen(rest)
		case "//", "":
		default:
			s.t.Fatalf("a line begins with %q", mark)
		}
	}
	s.ask()
}

var method = regexp.MustCompile(`^(GET|POST|DELETE|OPTIONS) /`)

func (s *stage) happen(text string) {
	words := strings.Fields(text)
	switch words[0] {
	case "tokens":
		s.strict, s.bounds.Authenticate = true, guests{}.Authenticate
		return
	case "address":
		s.bounds.MaxPerAddress, _ = strconv.Atoi(words[1])
		return
	}
	s.begin()
	switch words[0] {
	case "trades":
		n, _ := strconv.Atoi(words[2])
		s.trades(words[1], n)
	case "quote":
		bid, _ := strconv.ParseFloat(words[2], 64)
		s.change(func() {
			cents := int64(bid*100 + 0.5)
			s.store.Quote(s.instruments[words[1]], &market.Quote{
				Bid: cents, Ask: cents + 2, BidSize: 3, AskSize: 4, Has: market.HasBid | market.HasAsk, Position: s.next("quote of " + words[1]),
			})
		})
	case "until":
		if s.open == nil {
			s.until = strings.TrimPrefix(text, "until ")
			return
		}
		s.lines(s.open, strings.TrimPrefix(text, "until "))
	case "goaway":
		s.streams.Each(func(h conns.Handler) { h.(*session.Session).GoAway(words[1], time.Second, 5*time.Second) })
	case "drain":
		s.gate.Drain()
		s.streams.CloseAll(s.t.Context(), uint16(session.CloseDraining), "the server is stopping", 0)
	case "refuse":
		s.gate.Refuse(strings.TrimPrefix(text, "refuse "))
	case "hang":
		s.hangUp()
		s.open = nil
	default:
		s.t.Fatalf("unknown event %q", text)
	}
}

// begin starts the node, once.
func (s *stage) begin() {
	if s.streams != nil {
		return
	}
	s.store = snapshot.NewStore(snapshot.Options{LogEvents: 2, LogMax: 2})
	s.change(func() {
		for _, name := range []string{"FAKE", "OTHER"} {
			in := market.Instrument{Symbol: market.Symbol{Venue: "test", Name: name}, Source: "test", PriceScale: 2, PriceStep: 1, SizeStep: 1}
			id, err := s.store.Define(in)
			if err != nil {
				s.t.Fatal(err)
			}
			s.instruments["test:"+name] = id
		}
		s.store.Source("test", market.StreamOpen, market.QualityOK, "")
	})
	engine := fanout.New(s.store, fanout.Options{Workers: 1, Heartbeat: time.Hour})
	engine.Start()
	var drops drop.Counters
	env := &session.Env{
		Engine: attaching{engine}, Directory: s.store, Policy: throttle.NewInForce(throttle.Default()), Server: "feedd 1.0", ClientFrame: 16 << 10, ServerFrame: 64 << 10,
		Heartbeat: 5 * time.Second, Clock: func() int64 { return time.Now().UnixMicro() }, NewID: func() string { return "S1" }, Counters: &drops, Log: slog.New(slog.DiscardHandler),
	}
	if s.strict {
		env.Access, env.Users = guests{}, session.NewUsers()
	}
	if err := env.Validate(); err != nil {
		s.t.Fatal(err)
	}
	var err error
	if s.gate, err = gate.New(s.bounds); err != nil {
		s.t.Fatal(err)
	}
	s.streams, err = stream.New(stream.Options{Gate: s.gate, Strict: s.strict, NewHandler: func(c *stream.Conn, f fanout.Framing) conns.Handler {
		return session.New(env, connection{c}, f, c.Identity())
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	srv := httptest.NewServer(s.streams)
	s.url = srv.URL
	s.t.Cleanup(func() {
		s.streams.Shutdown(context.Background())
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
		engine.Close()
	})
}

// change has the market move.
func (s *stage) change(f func()) {
	s.store.Begin()
	defer s.store.Commit()
	f()
}

func (s *stage) trades(symbol string, n int) {
	s.change(func() {
		for range n {
			at := s.next("trade of " + symbol)
			s.store.Trade(s.instruments[symbol], &market.Trade{Price: 10_000 + int64(at.Sequence), Size: 1, ID: uint64(at.Sequence), Position: at})
		}
	})
}

// next is the position of what a publisher says next.
func (s *stage) next(of string) market.Position {
	s.counts[of]++
	return market.Position{Epoch: 7, Sequence: s.counts[of]}
}

// ask sends the request that was written down, if any, and writes down what comes.
func (s *stage) ask() {
	if len(s.asked) == 0 {
		return
	}
	s.begin()
	lines := s.asked
	s.asked = nil
	verb, path, _ := strings.Cut(s.filled(lines[0]), " ")
	header, rest := http.Header{}, lines[1:]
	for len(rest) > 0 && headerLine.MatchString(rest[0]) {
		name, value, _ := strings.Cut(rest[0], ": ")
		header.Add(name, value)
		rest = rest[1:]
	}
	until := s.until
	s.until = ""
	resp := s.send(verb, path, strings.Join(rest, "\n"), header)
	s.head(resp)
	switch kept := resp.Header.Get("Feedd-Answer") == "" && resp.StatusCode == http.StatusOK; {
	case kept:
		s.open = bufio.NewReader(resp.Body)
	case until != "" && resp.StatusCode == http.StatusOK:
		s.pollUntil(resp, until)
	default:
		s.lines(bufio.NewReader(resp.Body), "")
	}
}

var headerLine = regexp.MustCompile(`^[A-Z][A-Za-z-]+: `)

func (s *stage) filled(line string) string {
	return strings.NewReplacer("SECRET", s.secret, "ANSWER", s.answer, "EARLIER", s.earlier).Replace(line)
}

func (s *stage) send(verb, path, body string, header http.Header) *http.Response {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r, err := http.NewRequestWithContext(ctx, verb, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header = header
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cancel(); resp.Body.Close() })
	if resp.Header.Get("Feedd-Answer") == "" && resp.StatusCode == http.StatusOK {
		s.hangUp = cancel
	}
	if secret := resp.Header.Get("Feedd-Secret"); secret != "" {
		s.secret = secret
	}
	return resp
}

// head writes down the status and the headers that matter. Answers to polls are numbered as they are written down.
func (s *stage) head(resp *http.Response) {
	fmt.Fprintf(&s.out, "> %s\n", resp.Status)
	for _, name := range []string{"Allow", "Content-Type", "Www-Authenticate", "Retry-After", "Feedd-Secret", "Feedd-Answer"} {
		value := resp.Header.Get(name)
		switch {
		case value == "":
			continue
		case name == "Retry-After" && resp.StatusCode == http.StatusServiceUnavailable:
			value = "…" // each is told another time
		case name == "Feedd-Secret":
			value = "SECRET"
		case name == "Feedd-Answer":
			if s.answer != value {
				s.earlier, s.answer = s.answer, value
				s.answers++
			}
			value = strconv.Itoa(s.answers)
		}
		fmt.Fprintf(&s.out, "> %s: %s\n", strings.Replace(name, "Www-", "WWW-", 1), value)
	}
}

// pollUntil polls until an answer holds some words.
func (s *stage) pollUntil(resp *http.Response, words string) {
	for {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			s.t.Fatal(err)
		}
		s.lines(bufio.NewReader(bytes.NewReader(body)), "")
		if bytes.Contains(body, []byte(words)) {
			return
		}
		resp = s.send(http.MethodPost, "/v1/poll/"+s.secret+"?after="+s.answer, "", nil)
		if resp.StatusCode != http.StatusOK {
			s.t.Fatalf("%s before %q", resp.Status, words)
		}
		s.earlier, s.answer = s.answer, resp.Header.Get("Feedd-Answer")
	}
}

// lines writes down lines up to one that holds some words, and what ends it; "": all.
func (s *stage) lines(from *bufio.Reader, until string) {
	for {
		line, err := from.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line != "" || err == nil {
			fmt.Fprintln(&s.out, strings.TrimSuffix("> "+tidy(line), " "))
		}
		switch {
		case err != nil && until == "" && errors.Is(err, io.EOF):
			return
		case err != nil:
			s.t.Fatalf("%v before %q", err, until)
		case until != "" && strings.Contains(line, until):
			return
		}
	}
}

// tidy writes a line as it is in every run.
func tidy(line string) string {
	field, data, event := strings.Cut(line, ": ")
	switch {
	case event && field == "retry":
		return "retry: …"
	case event && field == "data":
		return "data: " + tidy(data)
	case !strings.HasPrefix(line, "{"):
		return line
	}
	var compact bytes.Buffer
	if json.Compact(&compact, []byte(line)) != nil {
		return line
	}
	return times.ReplaceAllString(compact.String(), `"$1":"…"`)
}

var times = regexp.MustCompile(`"(cutTimeUs|serverTimeUs|exchangeTime|ingestTime|definedTimeUs)":"[^"]*"`)

// attaching gives sessions the engine.
type attaching struct{ *fanout.Engine }

func (e attaching) Attach(c fanout.Conn, f fanout.Framing) session.Subscriber {
	return e.Engine.Attach(c.(connection).Outlet(), f)
}

// connection gives a session its connection.
type connection struct{ *stream.Conn }

func (c connection) Close(code session.CloseCode, reason string) { c.Conn.Close(uint16(code), reason) }

// guests are whom the node knows: ada, who may have test:FAKE.
type guests struct{}

func (guests) Authenticate(token string) (*entitlement.Identity, error) {
	if token != "ada" {
		return nil, errors.New("the token has expired; get a new one")
	}
	may, err := entitlement.Parse([]string{"test:FAKE"})
	return &entitlement.Identity{User: "ada", May: may}, err
}
func (guests) Anonymous() *entitlement.Identity   { return nil }
func (guests) Revoked(*entitlement.Identity) bool { return false }
