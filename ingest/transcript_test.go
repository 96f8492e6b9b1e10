package ingest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.txt")

// A transcript is a story: each line is a time in milliseconds and what happens then, and the lines behind it
// that start with '>' are what the core does about it, since the line before. Time passes between lines
// as it does in a node. See testdata/README.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runTranscript(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(text) {
				t.Errorf("the story goes otherwise (go test -update rewrites it):\n%s", diff(string(text), got))
			}
		})
	}
}

// diff shows the first lines that differ.
func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			end := min(i+8, len(g))
			return fmt.Sprintf("line %d\nwant:\n%s\ngot:\n%s", i+1, strings.Join(w[i:min(i+8, len(w))], "\n"), strings.Join(g[min(i, len(g)):end], "\n"))
		}
	}
	return "more lines than expected:\n" + strings.Join(g[len(w):], "\n")
}

type story struct {
	t        *testing.T
	core     *core
	sink     *recorder
	counters drop.Counters
	counted  [drop.Reasons]uint64
	asked    []request
	now      int64 // microseconds
}

// storyStart is the time 0 of every transcript: no time is 0, which would mean that it is not known.
const storyStart = 1_000_000_000_000_000

func runTranscript(t *testing.T, text string) string {
	st := &story{t: t, now: storyStart}
	st.sink = newRecorder(t.Errorf)
	limits := defaultLimits()
	limits.instruments, limits.held, limits.heldInAll = 6, 8, 12
	st.sink.limit = 5
	st.core = newCore(st.sink, limits, &st.counters, discard())
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, ">") {
			continue
		}
		out = append(out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		out = append(out, st.step(line)...)
	}
	return strings.Join(out, "\n") + "\n"
}

func (st *story) step(line string) []string {
	st.sink.lines = nil
	when, what, _ := strings.Cut(strings.TrimSpace(line), " ")
	ms, err := strconv.ParseInt(when, 10, 64)
	if err != nil {
		st.t.Fatalf("%q: want a time in milliseconds first", line)
	}
	for st.now+10_000 <= storyStart+ms*1000 {
		st.now += 10_000
		st.core.tick(st.now)
	}
	st.now = storyStart + ms*1000
	st.do(strings.Fields(what), what)
	for _, r := range st.core.takeRequests() {
		st.asked = append(st.asked, r)
		switch {
		case r.series == nil:
			st.sink.say("ask for a snapshot of %s", r.symbol)
		case r.image():
			st.sink.say("ask the stream for the image of %s", r.symbol)
		default:
			whom := ""
			if r.told {
				whom = ", its publisher no more"
			}
			st.sink.say("ask for %ss %s %d:%d-%d%s", r.channel, r.symbol, r.epoch, r.from, r.to, whom)
		}
	}
	for r := range drop.Reasons {
		if n := st.counters.Count(r); n != st.counted[r] {
			st.sink.say("drop %s %d", r, n-st.counted[r])
			st.counted[r] = n
		}
	}
	var out []string
	for _, l := range st.sink.lines {
		out = append(out, "> "+l)
	}
	return out
}

func (st *story) do(words []string, what string) {
	switch words[0] {
	case "tick": // only time passes
	case "stored":
		sym, payload := st.payload(words[1:], what)
		st.core.stored(sym, payload, st.now-500_000, st.now, false)
	case "overlap":
		sym, payload := st.payload(words[1:], what)
		st.core.stored(sym, payload, st.now-500_000, st.now, true)
	case "raw":
		payload, err := strconv.Unquote(strings.Join(words[2:], " "))
		if err != nil {
			st.t.Fatalf("%q: %v", what, err)
		}
		st.core.live(words[1], []byte(payload), st.now)
	case "beat":
		st.beat(words)
	case "answer":
		st.answer(words, what)
	case "silence": // nobody answers the snapshot request
		r := st.take(func(r request) bool { return r.series == nil && r.symbol.String() == words[1] })
		st.core.snapshotDone(r.inst, false, st.now)
	case "fetched":
		r := st.take(func(r request) bool { return r.series != nil && r.symbol.String() == words[1] })
		st.core.fetched(r, outcome{hopeless: slices.Contains(words, "hopeless"), away: slices.Contains(words, "away"), told: slices.Contains(words, "told")}, st.now)
	case "disconnected":
		st.core.disconnected(st.now)
	case "reconnected":
		st.core.reconnected(st.now)
	case "keep":
		st.core.keptBack = true
	case "joined":
		st.core.joined(st.now)
	case "absent":
		st.core.askAbsent(st.now)
	default:
		sym, payload := st.payload(words, what)
		st.core.live(sym, payload, st.now)
	}
}

// take returns the oldest outstanding request that fits.
func (st *story) take(fits func(request) bool) request {
	i := slices.IndexFunc(st.asked, fits)
	if i < 0 {
		st.t.Fatalf("nothing of the kind was asked for at %d ms", (st.now-storyStart)/1000)
	}
	r := st.asked[i]
	st.asked = slices.Delete(st.asked, i, i+1)
	return r
}

// payload reads `quote demo:X 5:1 10/11 …`, `json quote demo:X {…}` and the like.
func (st *story) payload(words []string, what string) (string, []byte) {
	if words[0] == "json" {
		return st.subject(words[2], words[1]), []byte(what[strings.Index(what, "{"):])
	}
	channel := map[string]string{"define": "definition"}[words[0]]
	if channel == "" {
		channel = words[0]
	}
	payload, err := proto.Marshal(st.batch(words[0], words[2], words[3:]))
	if err != nil {
		st.t.Fatal(err)
	}
	return st.subject(words[1], channel), payload
}

func (st *story) subject(symbol, channel string) string {
	sym, err := market.ParseSymbol(symbol)
	if err != nil {
		st.t.Fatal(err)
	}
	return subject.For(sym, market.ParseChannel(channel))
}

// batch makes a batch of the kind that word names. Prices are whole numbers at the definition's scale, sizes 1.
func (st *story) batch(kind, position string, args []string) *marketdatav1.TickBatch {
	b := &marketdatav1.TickBatch{}
	if _, err := fmt.Sscanf(position, "%d:%d", &b.Epoch, &b.Sequence); err != nil {
		st.t.Fatalf("position %q: %v", position, err)
	}
	number := func(text string) int64 {
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			st.t.Fatal(err)
		}
		return v
	}
	switch kind {
	case "quote":
		for _, a := range args {
			bid, ask, _ := strings.Cut(a, "/")
			b.Quotes = append(b.Quotes, &marketdatav1.Quote{Bid: proto.Int64(number(bid)), BidSize: 1, Ask: proto.Int64(number(ask)), AskSize: 1})
		}
	case "trade":
		for _, a := range args {
			tr := &marketdatav1.Trade{Price: number(strings.TrimSuffix(a, "!")), Size: 1}
			if strings.HasSuffix(a, "!") {
				tr.Size = -1 // which no trade may have
			}
			b.Trades = append(b.Trades, tr)
		}
	case "status":
		b.Statuses = append(b.Statuses, &marketdatav1.TradingStatus{Trading: marketdatav1.Trading(number(args[0])), Reason: strings.Join(args[1:], " ")})
	case "book":
		for _, a := range args {
			b.Books = append(b.Books, bookEvent(st.t, a))
		}
	case "stats":
		b.Statistics = append(b.Statistics, &marketdatav1.Statistics{Mark: proto.Int64(number(args[0])), OpenInterest: proto.Int64(number(args[1]))})
	case "define":
		d := &marketdatav1.Definition{}
		if _, err := fmt.Sscanf(args[0], "%d/%d", &d.PriceScale, &d.SizeScale); err != nil {
			st.t.Fatal(err)
		}
		for _, a := range args[1:] {
			switch key, value, _ := strings.Cut(a, "="); key {
			case "source":
				d.Source = value
			case "step":
				d.PriceStep = number(value)
			case "session":
				d.SessionStartS = int32(number(value))
			case "zone":
				d.TimeZone = value
			case "delisted":
				d.Delisted = true
			}
		}
		b.Definitions = append(b.Definitions, d)
	default:
		st.t.Fatalf("no such line: %s", kind)
	}
	return b
}

// bookEvent reads =BID:SIZE,…/ASK:SIZE,… (an image), ~… (a part of one with more to come) or … (a change).
func bookEvent(t *testing.T, text string) *marketdatav1.BookEvent {
	e := &marketdatav1.BookEvent{Snapshot: strings.ContainsAny(text[:1], "=~"), Partial: text[0] == '~'}
	bids, asks, _ := strings.Cut(strings.TrimLeft(text, "=~"), "/")
	levels := func(text string) (out []*marketdatav1.Level) {
		for part := range strings.SplitSeq(text, ",") {
			l := &marketdatav1.Level{}
			if part == "" {
				continue
			}
			if _, err := fmt.Sscanf(part, "%d:%d", &l.Price, &l.Size); err != nil {
				t.Fatalf("level %q: %v", part, err)
			}
			out = append(out, l)
		}
		return out
	}
	e.Bids, e.Asks = levels(bids), levels(asks)
	return e
}

// beat reads `beat demo 5 1000 [source=x] [line=A] [closing] [instance=a] [X/trade=17]…`: epoch, interval.
func (st *story) beat(words []string) {
	h := &marketdatav1.Heartbeat{}
	var err error
	if h.Epoch, err = strconv.ParseUint(words[2], 10, 64); err != nil {
		st.t.Fatal(err)
	}
	interval, err := strconv.Atoi(words[3])
	if err != nil {
		st.t.Fatal(err)
	}
	h.IntervalMs = uint32(interval)
	for _, w := range words[4:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "closing":
			h.Closing = true
		case "source":
			h.Source = value
		case "line":
			h.Line = value
		case "instance":
			h.Instance = uint64(value[0])
		default:
			name, channel, _ := strings.Cut(key, "/")
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				st.t.Fatalf("%q: %v", w, err)
			}
			h.Positions = append(h.Positions, &marketdatav1.Position{Symbol: name, Channel: channel, Sequence: n})
		}
	}
	payload, err := proto.Marshal(h)
	if err != nil {
		st.t.Fatal(err)
	}
	st.core.live(subject.Heartbeat(words[1]), payload, st.now)
}

// answer reads `answer demo:X define 5:1 2/2; quote 5:9 10/11`.
func (st *story) answer(words []string, what string) {
	r := st.take(func(r request) bool { return r.series == nil && r.symbol.String() == words[1] })
	_, batches, _ := strings.Cut(what, words[1])
	var payloads [][]byte
	for part := range strings.SplitSeq(batches, ";") {
		f := strings.Fields(part)
		p, err := proto.Marshal(st.batch(f[0], f[1], f[2:]))
		if err != nil {
			st.t.Fatal(err)
		}
		payloads = append(payloads, p)
	}
	st.core.snapshot(r.inst, payloads, st.now)
	st.core.snapshotDone(r.inst, true, st.now)
}
