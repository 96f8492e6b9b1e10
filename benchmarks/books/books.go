// Package books measures what order books cost: bytes on recorded market data, beside the exchange's JSON, and the
// time of a change, of a cut and of a snapshot as books grow deeper. No server runs; the code is the server's.
package books

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
)

// Recorded are the figures of one recording, whose book is cut every cadence. A change is one level of one of the
// exchange's events; what is sent is the net of all changes between two cuts.
type Recorded struct {
	Symbol  string `json:"symbol"`
	Changes int    `json:"level_changes"`
	Sent    int    `json:"level_changes_sent"`
	Cuts    int    `json:"cuts"`
	Levels  int    `json:"levels_at_the_end"` // both sides together

	PerChange   float64 `json:"bytes_per_level_change_sent"`
	PerCut      float64 `json:"bytes_per_cut"`
	JSONChange  float64 `json:"json_bytes_per_level_change"` // the exchange's message, of every change
	JSONCut     float64 `json:"json_bytes_per_cut"`          // the exchange's messages between two cuts
	ImageBytes  int     `json:"image_bytes"`                 // the whole book at the end
	ApplyPerSec float64 `json:"level_changes_applied_per_s"` // on one core
}

// handle is one that takes two bytes, as nearly all do on a server of some size.
const handle market.Handle = 1000

// Measure reads every recording (*.gz) in dir that holds a snapshot of its book. Figures go by the name of the file.
func Measure(dir string, cadence time.Duration) (map[string]Recorded, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil {
		return nil, err
	}
	all := make(map[string]Recorded, len(paths))
	for _, path := range paths {
		tape, err := read(path)
		if err != nil {
			return nil, err
		}
		if len(tape.events) > 0 {
			all[strings.TrimSuffix(filepath.Base(path), ".gz")] = tape.measure(cadence.Microseconds())
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no recordings (*.gz) with a snapshot of the book in %s", dir)
	}
	return all, nil
}

// tape is the book events of a recording: the snapshot and the changes behind it.
type tape struct {
	symbol market.Symbol
	events []market.BookEvent
	json   int // bytes of the exchange's messages of the changes
}

func read(path string) (*tape, error) {
	survey, err := recording.SurveyFile(path)
	if err != nil {
		return nil, err
	}
	if len(survey.Instruments) != 1 {
		return nil, fmt.Errorf("%s: %d instruments, want one", path, len(survey.Instruments))
	}
	t := &tape{symbol: survey.Instruments[0].Symbol}
	r, err := recording.Open(path, survey)
	if err != nil {
		return nil, err
	}
	var e recording.Event
	var last int64 // update id that the book stands at
	for err = r.Next(&e); err == nil; err = r.Next(&e) {
		at := e.ReceiveTime / 1000
		switch {
		case e.Kind == recording.Snapshot && len(t.events) == 0:
			last = e.Book.Last
			t.add(&e.Book, true, at)
		case e.Kind == recording.Depth && len(t.events) > 0 && e.Book.Last > last:
			t.add(&e.Book, false, at)
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, r.Close())
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	if len(t.events) == 0 {
		return t, nil
	}
	t.json, err = exchangeBytes(path)
	return t, err
}

func (t *tape) add(b *recording.Book, snapshot bool, at int64) {
	t.events = append(t.events, market.BookEvent{
		Snapshot: snapshot, Bids: slices.Clone(b.Bids), Asks: slices.Clone(b.Asks), ExchangeTime: b.ExchangeTime, IngestTime: at,
		Position: market.Position{Epoch: 1_723_161_254_000_000, Sequence: market.Sequence(len(t.events) + 1)},
	})
}

func (t *tape) measure(cadence int64) Recorded {
	f := Recorded{Symbol: t.symbol.String()}
	var b book.Book
	var c book.Changes
	var row []byte
	bytesSent, transit := 0, int32(0)
	b.Apply(&t.events[0])
	due, at := t.events[0].IngestTime+cadence, b.Ticks()
	cut := func() {
		if b.Ticks() == at || !b.Changes(&c, at, b.Ticks()) {
			return
		}
		exchange, ingest := b.Times()
		head := wire.BookRow{Handle: handle, ExchangeTime: exchange, IngestTime: ingest, TransitBefore: transit}
		transit = wire.BookTransit(exchange, ingest)
		row = wire.AppendBook(row[:0], &head, c.Bids, c.Asks, due)
		bytesSent += len(row)
		f.Sent += c.Len()
		f.Cuts++
		at = b.Ticks()
	}
	for i := range t.events[1:] {
		e := &t.events[1+i]
		for e.IngestTime > due {
			cut()
			due += cadence
		}
		f.Changes += len(e.Bids) + len(e.Asks)
		b.Apply(e)
	}
	cut()
	f.Levels = b.Len(book.Bids) + b.Len(book.Asks)
	f.PerChange, f.PerCut = ratio(bytesSent, f.Sent), ratio(bytesSent, f.Cuts)
	f.JSONChange, f.JSONCut = ratio(t.json, f.Changes), ratio(t.json, f.Cuts)
	f.ImageBytes = len(wire.AppendBook(nil, &wire.BookRow{Handle: handle, Full: true, Position: b.Position()},
		b.AppendTop(nil, book.Bids, market.MaxLevels), b.AppendTop(nil, book.Asks, market.MaxLevels), due))
	f.ApplyPerSec = t.applied(f.Changes)
	return f
}

// applied is how many level changes a second one core applies.
func (t *tape) applied(changes int) float64 {
	rounds := 0
	begin := time.Now()
	for ; time.Since(begin) < measureFor; rounds++ {
		var b book.Book
		for i := range t.events {
			b.Apply(&t.events[i])
		}
	}
	return float64(rounds*changes) / time.Since(begin).Seconds()
}

// measureFor is how long each timing runs.
const measureFor = 500 * time.Millisecond

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// exchangeBytes adds up the exchange's messages on changes of the book.
func exchangeBytes(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	sc := bufio.NewScanner(z)
	sc.Buffer(nil, 4<<20)
	sum := 0
	for sc.Scan() {
		if _, message, ok := bytes.Cut(sc.Bytes(), []byte(" ")); ok && bytes.Contains(message, []byte(`@depth@`)) {
			sum += len(bytes.TrimSpace(message))
		}
	}
	return sum, sc.Err()
}
