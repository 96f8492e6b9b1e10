// Package rows counts what a quote update costs in bytes on recorded market data: the row that feed.v1
// sends, beside the same update as readable JSON and as the exchange sent it. No server runs; the bytes come
// from the encoder that the server uses.
package rows

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
)

// Figures are what one recording shows. Bytes are means, a row's tag and length included.
type Figures struct {
	Symbol  string `json:"symbol"`
	Ticks   int    `json:"ticks"`
	Updates int    `json:"updates"` // rows sent: cuts at which something had changed
	// Delta is the difference to the row before; Full a row that needs none.
	Delta float64 `json:"bytes_per_update"`
	Full  float64 `json:"bytes_per_full_row"`
	// A difference in a frame of twenty quotes, which share a tag and length as far as these reach.
	Joined float64 `json:"bytes_per_update_of_20"`
	JSON   float64 `json:"bytes_per_json_row"`
	// The exchange's own message, of every tick.
	Exchange float64 `json:"bytes_per_exchange_message"`
	// Whether rows carry the exchange's time.
	ExchangeTime bool `json:"exchange_time"`
}

// handle is one that takes two bytes, as nearly all do on a server of some size.
const handle market.Handle = 1000

// perFrame is how many quotes a frame has.
const perFrame = 20

// Measure reads every recording (*.gz) in dir and cuts its quotes every cadence. Figures go by the name
// of the file.
func Measure(dir string, cadence time.Duration) (map[string]Figures, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no recordings (*.gz) in %s", dir)
	}
	all := make(map[string]Figures, len(paths))
	for _, path := range paths {
		f, err := measure(path, cadence)
		if err != nil {
			return nil, err
		}
		all[strings.TrimSuffix(filepath.Base(path), ".gz")] = f
	}
	return all, nil
}

func measure(path string, cadence time.Duration) (Figures, error) {
	survey, err := recording.SurveyFile(path)
	if err != nil {
		return Figures{}, err
	}
	if len(survey.Instruments) != 1 {
		return Figures{}, fmt.Errorf("%s: %d instruments, want one", path, len(survey.Instruments))
	}
	in := survey.Instruments[0]
	m := meter{
		cadence: cadence.Microseconds(),
		in:      market.Instrument{Symbol: in.Symbol, PriceScale: in.Price.Scale, SizeScale: in.Size.Scale},
	}
	r, err := recording.Open(path, survey)
	if err != nil {
		return Figures{}, err
	}
	var e recording.Event
	for err = r.Next(&e); err == nil; err = r.Next(&e) {
		if e.Kind == recording.Quote {
			m.tick(e.Quote, e.ReceiveTime/1000)
		}
	}
	if !errors.Is(err, io.EOF) {
		return Figures{}, errors.Join(err, r.Close())
	}
	if err := r.Close(); err != nil {
		return Figures{}, err
	}
	if m.updates == 0 {
		return Figures{}, fmt.Errorf("%s: its quotes change at no cut", path)
	}
	exchange, err := exchangeBytes(path)
	if err != nil {
		return Figures{}, err
	}
	m.endFrame()
	n := float64(m.updates)
	return Figures{
		Symbol: in.Symbol.String(), Ticks: m.ticks, Updates: m.updates,
		Delta: float64(m.delta) / n, Full: float64(m.full) / n, Joined: float64(m.joined) / n, JSON: float64(m.json) / n, Exchange: exchange,
		ExchangeTime: m.last.Has&market.HasExchangeTime != 0,
	}, nil
}

// meter cuts a stream of quotes and adds up what the rows would take.
type meter struct {
	in      market.Instrument
	cadence int64 // microseconds

	due       int64 // the next cut
	sent      market.Quote
	last      market.Quote
	ticks     int
	updates   int
	delta     int
	full      int
	joined    int // bytes of frames that are done
	json      int
	frame     []byte // the rows of one, apart
	pieces    []wire.Piece
	which     []uint32 // all pieces
	buf       []byte
	textFrame wire.TextFrame
}

// epoch is the start of a publisher in microseconds, as publishers number theirs.
const epoch market.Epoch = 1_723_161_254_000_000

// tick takes a quote that arrived at, in microseconds.
func (m *meter) tick(q market.Quote, at int64) {
	switch {
	case m.ticks == 0:
		m.due = at + m.cadence
	case at > m.due:
		m.cut()
		m.due += (at - m.due + m.cadence - 1) / m.cadence * m.cadence
	}
	m.ticks++
	q.IngestTime = at
	q.Position = market.Position{Epoch: epoch, Sequence: market.Sequence(m.ticks)}
	if m.ticks == 1 {
		m.sent = q // the full row of a new subscription
	}
	m.last = q
}

// cut counts the row of what changed since the cut before.
func (m *meter) cut() {
	if m.last.Position == m.sent.Position {
		return
	}
	m.updates++
	if len(m.pieces) == perFrame {
		m.endFrame()
	}
	start := len(m.frame)
	m.frame = wire.AppendQuoteDelta(m.frame, handle, &m.sent, &m.last, m.due)
	m.delta += len(m.frame) - start
	m.which = append(m.which, uint32(len(m.pieces)))
	m.pieces = append(m.pieces, wire.Piece{Start: uint32(start), End: uint32(len(m.frame))})
	m.buf = wire.AppendQuoteFull(m.buf[:0], handle, &m.last, m.due)
	m.full += len(m.buf)
	m.textFrame.Reset()
	m.textFrame.Quote(&m.in, &m.last)
	m.json += m.textFrame.Len()
	m.sent = m.last
}

// endFrame counts a frame of the rows so far, and begins the next.
func (m *meter) endFrame() {
	m.joined += len(wire.AppendJoined(nil, m.frame, m.pieces, m.which))
	m.frame, m.pieces, m.which = m.frame[:0], m.pieces[:0], m.which[:0]
}

// exchangeBytes is the mean length of the exchange's messages on the top of the book.
func exchangeBytes(path string) (float64, error) {
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
	sum, n := 0, 0
	for sc.Scan() {
		if _, message, ok := bytes.Cut(sc.Bytes(), []byte(" ")); ok && bytes.Contains(message, []byte(`@bookTicker"`)) {
			sum += len(bytes.TrimSpace(message))
			n++
		}
	}
	if err := sc.Err(); err != nil || n == 0 {
		return 0, fmt.Errorf("%s: %d quotes: %w", path, n, err)
	}
	return float64(sum) / float64(n), nil
}
