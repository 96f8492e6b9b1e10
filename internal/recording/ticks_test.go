package recording_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/market"
)

func ticks(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("FEEDD_TICKS")
	if dir == "" {
		t.Skip("FEEDD_TICKS does not name a directory of recorded ticks")
	}
	return dir
}

// Recorded market data: what the survey finds, and that trade ids count up by one. The spot books hold a
// handful of sizes that are off the exchange's own step by one decimal; no digit is lost for them.
func TestRecordedTicks(t *testing.T) {
	dir := ticks(t)
	eth := market.Symbol{Venue: "binance", Name: "ETHUSDT"}
	tests := []struct {
		file       string
		symbol     market.Symbol
		price      uint8
		size       recording.Grid
		quotes     int
		trades     int
		depths     int
		snapshots  int
		firstTrade uint64
	}{
		{"binance_spot_btcusdt_20240808.gz", spot, 2, recording.Grid{Scale: 6, Step: 1}, 28040, 9757, 3451, 1, 3735683259},
		{"binance_spot_btcusdt_20240809.gz", spot, 2, recording.Grid{Scale: 6, Step: 1}, 45134, 10147, 3044, 0, 3735693016},
		{"binance_spot_ethusdt_20240808.gz", eth, 2, recording.Grid{Scale: 5, Step: 2}, 24077, 6106, 3434, 1, 1520538925},
		{"binance_usdm_btcusdt_20240808.gz", futures, 1, recording.Grid{Scale: 3, Step: 1}, 66089, 21313, 6551, 1, 5266583935},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			path := filepath.Join(dir, tt.file)
			survey, err := recording.SurveyFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in := survey.Instruments[0]
			in.Price.Largest, in.Size.Largest = 0, 0
			want := recording.Instrument{
				Symbol: tt.symbol, Price: recording.Grid{Scale: tt.price, Step: 1}, Size: tt.size,
				Quotes: tt.quotes, Trades: tt.trades, Depths: tt.depths, Snapshots: tt.snapshots,
			}
			if len(survey.Instruments) != 1 || in != want {
				t.Errorf("survey %+v\nwant %+v", survey.Instruments, want)
			}
			var ids []uint64
			for _, e := range read(t, path, survey) {
				if e.Kind == recording.Trade {
					ids = append(ids, e.Trade.ID)
				}
			}
			if ids[0] != tt.firstTrade || !slices.IsSortedFunc(ids, func(a, b uint64) int { return int(int64(a) - int64(b)) }) || ids[len(ids)-1]-ids[0] != uint64(len(ids)-1) {
				t.Errorf("%d trades from %d to %d: want consecutive ids from %d", len(ids), ids[0], ids[len(ids)-1], tt.firstTrade)
			}
		})
	}
}

func BenchmarkReader(b *testing.B) {
	path := filepath.Join(ticks(b), "binance_usdm_btcusdt_20240808.gz")
	survey, err := recording.SurveyFile(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := recording.Open(path, survey)
		if err != nil {
			b.Fatal(err)
		}
		var e recording.Event
		for err == nil {
			err = r.Next(&e)
		}
		if err != io.EOF {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(survey.Events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
