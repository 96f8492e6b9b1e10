package feed

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quoteOf reads the last quote of a message on the channel quote.
func quoteOf(t *testing.T, msg *nats.Msg) Quote {
	t.Helper()
	var batch marketdatav1.TickBatch
	if err := proto.Unmarshal(msg.Data, &batch); err != nil || len(batch.GetQuotes()) == 0 {
		t.Fatalf("%s: %v, %d quotes", msg.Subject, err, len(batch.GetQuotes()))
	}
	q := batch.GetQuotes()[len(batch.GetQuotes())-1]
	return Quote{Bid: q.GetBid(), BidSize: q.GetBidSize(), Ask: q.GetAsk(), AskSize: q.GetAskSize()}
}

func TestSubscribersEndWithTheQuotesThatPauseTells(t *testing.T) {
	for _, stamp := range []bool{false, true} {
		s, err := Open(Config{Instruments: 3, Hz: 500, Burst: 4, Seed: 1, Stamp: stamp})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		nc, err := nats.Connect(s.Where().NATS)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		sub, err := nc.SubscribeSync("md.bench.*.quote")
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		s.Resume()
		got := make(map[string]Quote)
		for range 200 {
			msg, err := sub.NextMsg(2 * time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			got[msg.Subject] = quoteOf(t, msg)
		}
		last, err := s.Pause()
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil { // behind everything published
			t.Fatal(err)
		}
		for n, _, _ := sub.Pending(); n > 0; n-- {
			msg, err := sub.NextMsg(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			got[msg.Subject] = quoteOf(t, msg)
		}
		for i, want := range last {
			q := got["md.bench."+symbol(i).Name+".quote"]
			if q != want || !Check(i, q) || Stamped(q) != stamp {
				t.Errorf("instrument %d ends with %+v, published last was %+v", i, q, want)
			}
		}
		if p, err := s.Published(); err != nil || p.Ticks <= p.Bursts || p.Bursts < 200 {
			t.Errorf("published %+v, error %v", p, err)
		}
	}
}

func TestRoleAnswers(t *testing.T) {
	in := `{"do":"count"}
{"do":"open","body":{"instruments":0}}
{"do":"open","body":{"instruments":2,"hz":40,"burst":1}}
{"do":"open","body":{"instruments":2,"hz":40,"burst":1}}
{"do":"resume"}
{"do":"pause"}
{"do":"sing"}
`
	var out bytes.Buffer
	if err := Role(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	wants := []string{"not open yet", "want at least 1", "ws://127.0.0.1:", "already open", "null", `"bid"`, "unknown request"}
	for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if !strings.Contains(line, wants[i]) || !json.Valid([]byte(line)) {
			t.Errorf("answer %d: %s, want %s", i, line, wants[i])
		}
	}
}

// A past goes on without a step back, has as many bars of the longest ring as fit, and seconds for the shortest.
func TestThePastFillsEveryRing(t *testing.T) {
	minutes, days, last := map[time.Duration]bool{}, map[time.Duration]bool{}, ago(FullPast+1)
	for k := FullPast; k > 0; k-- {
		at := ago(k)
		if at >= last {
			t.Fatalf("trade %d lies %v back, the one before it %v", k, at, last)
		}
		minutes[at.Truncate(time.Minute)], days[at.Truncate(24*time.Hour)], last = true, true, at
	}
	if len(minutes) < 1440 || len(days) < 730 || ago(601) != 601*time.Second || last != time.Second {
		t.Errorf("%d minutes, %d days, the last but 600 %v back and the last %v", len(minutes), len(days), ago(601), last)
	}
}
