package ingest

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/feedd/feedd/internal/drop"
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
