package deflate

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/internal/recording/recordingtest"
	"github.com/feedd/feedd/market"
)

func TestFramesOfARecording(t *testing.T) {
	in := recording.Instrument{
		Symbol: market.Symbol{Venue: recording.VenueSpot, Name: "BTCUSDT"},
		Price:  recording.Grid{Scale: 2, Step: 1}, Size: recording.Grid{Scale: 3, Step: 1},
	}
	var text []byte
	for i := range int64(1000) { // every 20 ms for 20 s
		text = recordingtest.Append(text, in, &recording.Event{
			Kind: recording.Quote, Symbol: in.Symbol, ReceiveTime: 1_723_161_254_000_000_000 + i*20_000_000,
			Quote: market.Quote{Bid: 6_183_763, BidSize: 1000 + i, Ask: 6_183_764, AskSize: 500, Has: market.HasBid | market.HasAsk},
		})
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "made.gz"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := Measure(dir, 250*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"quotes of a watchlist, what a cut changed", "the same as JSON", "the same as JSON, for 100", "the same whole as JSON"} {
		f := all[name]
		if f.Frames == 0 || f.Off.Bytes == 0 || f.Always.Bytes > f.Off.Bytes || f.Auto.Bytes > f.Off.Bytes {
			t.Errorf("%s: %+v", name, f)
		}
	}
	// Five plays, 37 s apart, of 20 s that hold a cut each 250 ms.
	if f := all["the same as JSON"]; f.Frames < 5*78 || f.Frames > 5*82 || f.Always.Bytes > f.Off.Bytes*0.9 {
		t.Errorf("JSON: %+v", f)
	}
	if _, err := Measure(t.TempDir(), time.Second); err == nil {
		t.Error("a directory without recordings is no error")
	}
}
