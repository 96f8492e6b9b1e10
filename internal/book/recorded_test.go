package book

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/market"
)

// recorded returns the book events of the recordings named in FEEDD_TICKS: for each file that holds an image, that and
// the changes behind it.
func recorded(t testing.TB) map[string][]market.BookEvent {
	dir := os.Getenv("FEEDD_TICKS")
	if dir == "" {
		t.Skip("FEEDD_TICKS names no directory of recordings")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s: %v", dir, err)
	}
	books := make(map[string][]market.BookEvent)
	for _, file := range files {
		if events := readBook(t, file); len(events) > 0 {
			books[filepath.Base(file)] = events
		}
	}
	return books
}

// readBook joins changes and image by the exchange's rule: what the image includes is left out.
func readBook(t testing.TB, file string) (events []market.BookEvent) {
	survey, err := recording.SurveyFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := recording.Open(file, survey)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var last int64
	var ahead []market.BookEvent // changes that came before the image
	var ends []int64
	for {
		var e recording.Event
		if err := r.Next(&e); errors.Is(err, io.EOF) {
			return events
		} else if err != nil {
			t.Fatal(err)
		}
		if e.Kind != recording.Depth && e.Kind != recording.Snapshot {
			continue
		}
		step := market.BookEvent{
			Snapshot: e.Kind == recording.Snapshot, Bids: slices.Clone(e.Book.Bids), Asks: slices.Clone(e.Book.Asks),
			IngestTime: e.ReceiveTime / 1000, ExchangeTime: e.Book.ExchangeTime,
		}
		switch {
		case step.Snapshot:
			events, last = append(events, step), e.Book.Last
			for n, change := range ahead {
				if ends[n] > last {
					events = append(events, change)
				}
			}
		case len(events) == 0:
			ahead, ends = append(ahead, step), append(ends, e.Book.Last)
		case e.Book.Last > last:
			events = append(events, step)
		}
	}
}

// Recorded books come out as a book does that is kept in the plainest way, at every hundredth event and at the end.
func TestRecordedBooks(t *testing.T) {
	for name, events := range recorded(t) {
		var b Book
		p := newPlain()
		for n := range events {
			o := b.Apply(&events[n])
			p.apply(&events[n])
			if o.Crossed {
				t.Fatalf("%s: crossed after event %d", name, n)
			}
			if n%100 != 0 && n != len(events)-1 {
				continue
			}
			for _, s := range []Side{Bids, Asks} {
				if want := p.levels(s); !slices.Equal(all(&b, s), want) {
					t.Fatalf("%s: side %d differs after event %d", name, s, n)
				}
			}
		}
		t.Logf("%s: %d events, %d bids, %d asks at the end", name, len(events), b.Len(Bids), b.Len(Asks))
	}
}

// BenchmarkRecorded prints what a change of a recorded book costs.
func BenchmarkRecorded(b *testing.B) {
	for name, events := range recorded(b) {
		changes := 0
		for _, e := range events {
			changes += len(e.Bids) + len(e.Asks)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var book Book
				for n := range events {
					book.Apply(&events[n])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(changes), "ns/change")
		})
	}
}
