package books

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/recording/recordingtest"
	"github.com/feedd/feedd/market"

	"github.com/feedd/feedd/internal/recording"
)

// A made recording, of which every figure but the times is known.
func TestRecordedBook(t *testing.T) {
	in := recording.Instrument{
		Symbol: market.Symbol{Venue: recording.VenueSpot, Name: "BTCUSDT"},
		Price:  recording.Grid{Scale: 2, Step: 1}, Size: recording.Grid{Scale: 3, Step: 1},
	}
	at := int64(1_723_161_254_000_000_000)
	text := recordingtest.Append(nil, in, &recording.Event{
		Kind: recording.Snapshot, Symbol: in.Symbol, ReceiveTime: at,
		Book: recording.Book{Last: 10, Bids: []market.Level{{Price: 100, Size: 5}, {Price: 99, Size: 5}}, Asks: []market.Level{{Price: 101, Size: 5}}},
	})
	for i := range int64(20) { // every 50 ms: two to a cut, of which the second undoes or repeats nothing
		text = recordingtest.Append(text, in, &recording.Event{
			Kind: recording.Depth, Symbol: in.Symbol, ReceiveTime: at + i*50_000_000 + 1_000_000,
			Book: recording.Book{First: 11 + i, Last: 11 + i, Bids: []market.Level{{Price: 100, Size: 6 + i}}, ExchangeTime: (at + i*50_000_000) / 1000},
		})
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "made.gz"), zipped(t, text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := Measure(dir, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	f := all["made"]
	if f.Symbol != "binance:BTCUSDT" || f.Changes != 20 || f.Cuts != 10 || f.Sent != 10 || f.Levels != 3 || f.PerCut < 8 || f.PerCut > 20 || f.JSONChange < f.PerChange || f.ApplyPerSec <= 0 {
		t.Errorf("%+v", f)
	}
}

func TestNoRecordings(t *testing.T) {
	if _, err := Measure(t.TempDir(), time.Second); err == nil {
		t.Fatal("an empty directory is no error")
	}
}
