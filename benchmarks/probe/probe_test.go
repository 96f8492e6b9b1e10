package probe

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/internal/client/quoterow"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

const cut = 1_700_000_000_000_000

func payload(t *testing.T, f *feedv1.ServerFrame) []byte {
	t.Helper()
	b, err := proto.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var symbols = []string{"bench:A", "bench:B"}

func subscribed() *feedv1.ServerFrame {
	return &feedv1.ServerFrame{
		Subscribed: &feedv1.Subscribed{
			Instruments: []*feedv1.Instrument{{Symbol: "bench:A"}, {Symbol: "bench:B"}, {Symbol: "bench:C"}},
			Results: []*feedv1.SubscribeResult{
				{Symbol: "bench:A", Channel: "quote", Handle: 7}, {Symbol: "bench:B", Channel: "quote", Handle: 9},
				{Symbol: "bench:C", Channel: "quote", Handle: 11},
			},
		},
		Grants: []*feedv1.Grant{{Handles: []uint32{7, 9, 11}, CadenceMs: 250}},
	}
}

func full(handle uint32, sequence uint64, q feed.Quote) quoterow.Row {
	return quoterow.Row{
		Handle: handle, Bid: q.Bid, BidSize: q.BidSize, Spread: q.Ask - q.Bid, AskSize: q.AskSize,
		Has: proto.Uint32(0b111), Sequence: sequence, Epoch: 1, AgeMs: 2, TransitMs: 1,
	}
}

func delta(handle uint32, from, to feed.Quote) quoterow.Row {
	return quoterow.Row{
		Handle: handle, Bid: to.Bid - from.Bid, BidSize: to.BidSize - from.BidSize, Spread: to.Ask - to.Bid - (from.Ask - from.Bid),
		AskSize: to.AskSize - from.AskSize, AgeMs: 2, // transit stays what it was
	}
}

func rows(at uint64, quotes ...quoterow.Row) *feedv1.ServerFrame {
	return &feedv1.ServerFrame{CutTimeUs: at, Quotes: quoterow.Numbers(quotes...)}
}

func TestProbeFollowsFullRowsAndDifferences(t *testing.T) {
	w := feed.NewWalk(1, 0)
	a, b, c := w.Next(0), w.Next(0), w.Next(0)
	rec := NewRecord()
	p := New(rec, map[string]int{"bench:A": 0, "bench:B": 1}, Options{})
	p.Frame(cut, payload(t, subscribed()))
	p.Frame(cut+500, payload(t, rows(cut, full(7, 1, a))))
	frame := rows(cut+250_000, delta(7, a, b))
	frame.Conflated = 3
	p.Frame(cut+250_800, payload(t, frame))
	p.Frame(cut+500_100, payload(t, rows(cut+500_000, full(7, 9, c))))

	f := rec.Take()
	if f.Problems != 0 {
		t.Fatalf("problems: %v", f.Texts)
	}
	if f.Frames != 3 || f.Rows != 3 || f.Full != 2 || f.Conflated != 3 {
		t.Errorf("counted %+v", f)
	}
	if f.Lateness.Count != 3 || f.Lateness.Max != 800 || f.Lateness.P50 != 500 {
		t.Errorf("lateness %+v", f.Lateness)
	}
	if f.Interval.Count != 2 || f.Interval.P50 < 249_900 || f.Interval.P50 > 250_200 {
		t.Errorf("interval %+v", f.Interval)
	}
	// The first row of a handle tells nothing of age; the others are 3 ms old at the cut.
	if f.Age.Count != 2 || f.Age.P50 < 3_090 || f.Age.P50 > 3_110 || f.Delay.Count != 0 {
		t.Errorf("age %+v, delay %+v", f.Age, f.Delay)
	}

	if !p.Complete(1, 0) || p.Complete(2, 0) {
		t.Errorf("holds %v", p.Holds())
	}
	if differ, example := Compare(p.Holds(), symbols, []feed.Quote{c, a}); differ != 0 {
		t.Errorf("%d differ: %s", differ, example)
	}
	if differ, example := Compare(p.Holds(), symbols, []feed.Quote{b, a}); differ != 1 || !strings.Contains(example, "bench:A is") {
		t.Errorf("%d differ: %s", differ, example)
	}
	if again := rec.Take(); again.Rows != 0 || again.Lateness.Count != 0 {
		t.Errorf("a record that was taken still holds %+v", again)
	}
}

func TestStampedQuotesTellTheirDelay(t *testing.T) {
	w := feed.NewWalk(1, 0)
	a, b := w.Next(cut), w.Next(cut+10_000)
	rec := NewRecord()
	p := New(rec, map[string]int{"bench:A": 0, "bench:B": 1}, Options{})
	p.Frame(cut, payload(t, subscribed()))
	p.Frame(cut+5_000, payload(t, rows(cut+4_000, full(7, 1, a))))
	p.Frame(cut+10_150, payload(t, rows(cut+10_100, delta(7, a, b))))
	if f := rec.Take(); f.Problems != 0 || f.Delay.Count != 1 || f.Delay.Max != 150 {
		t.Errorf("delay %+v, problems %v", f.Delay, f.Texts)
	}
}

func TestProbeCatchesAWrongServer(t *testing.T) {
	w, other := feed.NewWalk(1, 0), feed.NewWalk(1, 1)
	a, b := w.Next(0), w.Next(0)
	foreign := other.Next(0)
	mixed := b
	mixed.BidSize = a.BidSize
	oneSided := full(7, 1, a)
	oneSided.Has, oneSided.Spread, oneSided.AskSize = proto.Uint32(0b101), 0, 0
	for name, c := range map[string]struct {
		frames []*feedv1.ServerFrame
		want   string
	}{
		"difference first":     {[]*feedv1.ServerFrame{rows(cut, delta(7, a, b))}, "without a full row"},
		"unknown handle":       {[]*feedv1.ServerFrame{rows(cut, full(8, 1, a))}, "no answer named"},
		"nobody's instrument":  {[]*feedv1.ServerFrame{rows(cut, full(11, 1, a))}, "nobody publishes"},
		"another instrument's": {[]*feedv1.ServerFrame{rows(cut, full(7, 1, foreign))}, "no tick had"},
		"two ticks mixed":      {[]*feedv1.ServerFrame{rows(cut, full(7, 1, mixed))}, "no tick had"},
		"difference twice":     {[]*feedv1.ServerFrame{rows(cut, full(7, 1, a), delta(7, a, b), delta(7, a, b))}, "no tick had"},
		"sequence goes back":   {[]*feedv1.ServerFrame{rows(cut, full(7, 2, b)), rows(cut, full(7, 1, a))}, "went back"},
		"time goes back":       {[]*feedv1.ServerFrame{rows(cut, full(7, 1, a)), rows(cut-1, full(7, 2, b))}, "cut time"},
		"no cut time":          {[]*feedv1.ServerFrame{rows(0, full(7, 1, a))}, "without a cut time"},
		"half a quote":         {[]*feedv1.ServerFrame{rows(cut, oneSided)}, "missing"},
		"error":                {[]*feedv1.ServerFrame{{Error: &feedv1.Error{Text: "too late"}}}, "too late"},
		"refusal": {[]*feedv1.ServerFrame{{Subscribed: &feedv1.Subscribed{Results: []*feedv1.SubscribeResult{
			{Symbol: "bench:A", Code: feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL, Text: "no such"},
		}}}}, "no such"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := NewRecord()
			p := New(rec, map[string]int{"bench:A": 0, "bench:B": 1}, Options{})
			p.Frame(cut, payload(t, subscribed()))
			for _, f := range c.frames {
				p.Frame(cut+1, payload(t, f))
			}
			f := rec.Take()
			if f.Problems == 0 || !strings.Contains(strings.Join(f.Texts, "\n"), c.want) {
				t.Errorf("%d problems %q, want %q", f.Problems, f.Texts, c.want)
			}
		})
	}
	t.Run("no protobuf", func(t *testing.T) {
		rec := NewRecord()
		New(rec, nil, Options{}).Frame(cut, []byte{0xff})
		if rec.Take().Problems != 1 {
			t.Error("a broken frame went unnoticed")
		}
	})
}
