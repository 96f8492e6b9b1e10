package ingest

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/drop"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// A flood of mistakes makes a line a second, which says how many there were.
func TestRefusalsAreLoggedAtALimitedRate(t *testing.T) {
	var out bytes.Buffer
	var counters drop.Counters
	c := newCore(newRecorder(t.Errorf), defaultLimits(), &counters, slog.New(slog.NewTextHandler(&out, nil)))
	now := int64(storyStart)
	for range 1001 {
		c.live("md.demo.BTC.quote", []byte("{"), now)
		now++
	}
	c.live("md.demo.BTC.candles", nil, now) // another reason has a line of its own
	now += logEvery
	c.live("md.demo.BTC.quote", []byte("{"), now)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || counters.Count(drop.MalformedJSON) != 1002 {
		t.Fatalf("%d lines for %d refusals:\n%s", len(lines), counters.Count(drop.MalformedJSON), out.String())
	}
	for i, want := range []string{"reason=malformed_json", "reason=unknown_channel", "since_last_line=1000"} {
		if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "subject=md.demo.BTC.") {
			t.Errorf("line %d is %q, want one with %q and the subject", i+1, lines[i], want)
		}
	}
}

// A node that meets a publisher in the middle says what it does about it, and warns only where nobody answers.
func TestTicksAheadOfADefinitionSayWhatHappensNext(t *testing.T) {
	var out bytes.Buffer
	var counters drop.Counters
	c := newCore(newRecorder(t.Errorf), defaultLimits(), &counters, slog.New(slog.NewTextHandler(&out, nil)))
	c.connected = true
	now := int64(storyStart)
	tick := func(sequence uint64) string {
		t.Helper()
		payload, err := proto.Marshal(&marketdatav1.TickBatch{Epoch: 5, Sequence: sequence, Quotes: []*marketdatav1.Quote{{Bid: proto.Int64(10), Ask: proto.Int64(11)}}})
		if err != nil {
			t.Fatal(err)
		}
		out.Reset()
		now += logEvery
		c.live("md.demo.BTC.quote", payload, now)
		return out.String()
	}
	if line := tick(7); !strings.Contains(line, "level=INFO") || !strings.Contains(line, "the publisher is asked for it") {
		t.Errorf("the first tick says %q", line)
	}
	if line := tick(8); !strings.Contains(line, "level=INFO") {
		t.Errorf("a tick while the question is under way says %q", line)
	}
	c.snapshotDone(c.requests[0].inst, false, now)
	if line := tick(9); !strings.Contains(line, "level=WARN") || !strings.Contains(line, "answer snapshot requests") {
		t.Errorf("a tick behind a question that nobody answered says %q", line)
	}
	if n := counters.Count(drop.Undefined); n != 3 {
		t.Errorf("%d ticks are counted as ahead of their definition, want 3", n)
	}
}
