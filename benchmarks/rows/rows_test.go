package rows

import (
	"bytes"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/internal/recording/recordingtest"
	"github.com/feedd/feedd/market"
)

// write leaves a recording of quotes in a new directory: one every interval, each with another size.
func write(t *testing.T, quotes int, interval time.Duration) (dir string) {
	t.Helper()
	in := recording.Instrument{
		Symbol: market.Symbol{Venue: recording.VenueSpot, Name: "BTCUSDT"},
		Price:  recording.Grid{Scale: 2, Step: 1}, Size: recording.Grid{Scale: 3, Step: 1},
	}
	var text []byte
	for i := range quotes {
		e := recording.Event{
			Kind: recording.Quote, Symbol: in.Symbol, ReceiveTime: 1_723_161_254_000_000_000 + int64(i)*interval.Nanoseconds(),
			Quote: market.Quote{
				Bid: 6_183_763, BidSize: 1000 + int64(i), Ask: 6_183_764, AskSize: 500, Has: market.HasBid | market.HasAsk,
			},
		}
		text = recordingtest.Append(text, in, &e)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "made.gz"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOneRowForEachCutThatSawAChange(t *testing.T) {
	const quotes = 1001 // every 20 ms for 20 s
	all, err := Measure(write(t, quotes, 20*time.Millisecond), 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	f := all["made"]
	if len(all) != 1 || f.Symbol != "binance:BTCUSDT" || f.Ticks != quotes || f.Updates < 199 || f.Updates > 200 || f.ExchangeTime {
		t.Errorf("%+v", f)
	}
	// Tag and length 2, handle 2, what there is 1, the difference of one size 1, and the age of what came at the cut itself
	// (none) or a little ahead of it (1). Twenty in a frame lie in two lists.
	if f.Delta < 6 || f.Delta > 7 || f.Joined < f.Delta-2 || f.Joined > f.Delta-1.5 {
		t.Errorf("%.1f bytes for one small change, %.1f beside others", f.Delta, f.Joined)
	}
	if f.Full < 2*f.Delta || f.JSON < 2*f.Full || f.Exchange < 100 {
		t.Errorf("full %.1f, JSON %.1f, exchange %.1f bytes", f.Full, f.JSON, f.Exchange)
	}
}

func TestAQuietMarketSendsNothing(t *testing.T) {
	all, err := Measure(write(t, 21, time.Second), 100*time.Millisecond)
	if err != nil || all["made"].Updates != 19 {
		t.Errorf("%+v, error %v: want a row for each tick between the first and the last", all, err)
	}
}

func TestNoRecordings(t *testing.T) {
	if _, err := Measure(t.TempDir(), time.Second); err == nil || !strings.Contains(err.Error(), "no recordings") {
		t.Errorf("error %v", err)
	}
	if _, err := Measure(write(t, 1, time.Second), time.Second); err == nil || !strings.Contains(err.Error(), "no cut") {
		t.Errorf("error %v", err)
	}
}

func TestRecordedQuotes(t *testing.T) {
	dir := os.Getenv("FEEDD_TICKS")
	if dir == "" {
		t.Skip("FEEDD_TICKS names no directory of recordings")
	}
	all, err := Measure(dir, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range all {
		const most = 12
		if f.Delta > most || math.Abs(f.Exchange-160) > 20 {
			t.Errorf("%s: %.1f bytes an update, %.1f on the exchange", name, f.Delta, f.Exchange)
		}
	}
}
