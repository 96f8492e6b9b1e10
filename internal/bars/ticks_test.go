package bars_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/feedd/feedd/internal/bars"
	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/market"
)

// Bars and statistics of the recordings equal those that are computed from all trades at the end.
func TestRecordedTicks(t *testing.T) {
	dir := os.Getenv("FEEDD_TICKS")
	if dir == "" {
		t.Skip("FEEDD_TICKS does not name a directory of recorded ticks")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no recordings", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			trades := recorded(t, path)
			s := bars.NewSet(bars.Calendar{})
			for i := range trades {
				if s.Trade(&trades[i]) == 0 {
					t.Fatalf("trade %d is late", i)
				}
			}
			for _, seconds := range market.Intervals {
				compare(t, s.Series(seconds), trades, int64(seconds))
			}
			st := s.Statistics()
			var day, session bars.Totals
			for i := range trades {
				sum(&day, &trades[i])
				if trades[i].ExchangeTime/1_000_000 >= st.SessionStart {
					sum(&session, &trades[i])
				}
			}
			if st.Day != day || st.Session != session || st.Last != trades[len(trades)-1].Price {
				t.Fatalf("statistics %+v\nwant day %+v, session %+v", st, day, session)
			}
		})
	}
}

func recorded(t *testing.T, path string) (trades []market.Trade) {
	survey, err := recording.SurveyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := recording.Open(path, survey)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		var e recording.Event
		if err := r.Next(&e); err == io.EOF {
			return trades
		} else if err != nil {
			t.Fatal(err)
		}
		if e.Kind == recording.Trade {
			e.Trade.IngestTime = e.ReceiveTime / 1000
			trades = append(trades, e.Trade)
		}
	}
}

func sum(t *bars.Totals, tr *market.Trade) {
	if t.Trades == 0 {
		t.Open, t.High, t.Low = tr.Price, tr.Price, tr.Price
	}
	t.High, t.Low = max(t.High, tr.Price), min(t.Low, tr.Price)
	t.Trades++
	t.Volume += tr.Size
	t.Turnover = t.Turnover.Plus(market.Times(tr.Price, tr.Size))
}

func compare(t *testing.T, s *bars.Series, trades []market.Trade, seconds int64) {
	totals, closes := map[int64]*bars.Totals{}, map[int64]int64{}
	for i := range trades {
		start := trades[i].ExchangeTime / 1_000_000 / seconds * seconds
		if totals[start] == nil {
			totals[start] = &bars.Totals{}
		}
		sum(totals[start], &trades[i])
		closes[start] = trades[i].Price
	}
	if held := int(s.Next() - s.First()); held != len(totals) {
		t.Fatalf("%d bars of %d s, want %d", held, seconds, len(totals))
	}
	for i := s.First(); i < s.Next(); i++ {
		b := s.At(i)
		got := bars.Totals{Open: b.Open, High: b.High, Low: b.Low, Volume: b.Volume, Trades: b.Trades, Turnover: b.Turnover}
		if want := totals[b.Start]; want == nil || got != *want || b.Close != closes[b.Start] {
			t.Fatalf("bar of %d s at %d: %+v, want %+v closing at %d", seconds, b.Start, b.Bar, want, closes[b.Start])
		}
	}
}
