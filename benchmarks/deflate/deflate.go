package deflate

import (
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/transport/ws"
)

// Figures are what the frames of one kind come to.
type Figures struct {
	Frames  int     `json:"frames"`
	Readers int     `json:"readers"` // who get the same bytes
	Off     Cost    `json:"off"`
	Auto    Cost    `json:"auto"`
	Always  Cost    `json:"always"`
	Share   float64 `json:"auto_compressed_share"` // of the frames
}

// Cost is that of one frame.
type Cost struct {
	Bytes float64 `json:"bytes"` // with its WebSocket header
	Time  float64 `json:"us"`    // of wrapping it up
}

// kind is a run of frames that are alike.
type kind struct {
	name     string
	encoding fanout.Encoding
	use      fanout.Use
	payloads [][]byte
}

// Measure makes frames of every kind out of the recordings (*.gz) in dir, with quotes cut every cadence.
func Measure(dir string, cadence time.Duration) (map[string]Figures, error) {
	t, err := read(dir)
	if err != nil {
		return nil, err
	}
	all := make(map[string]Figures)
	for _, k := range append(t.quoteKinds(cadence.Microseconds()), t.bookKinds()...) {
		for readers, suffix := range map[int]string{1: "", 100: ", for 100"} {
			if readers > 1 && k.use != fanout.UseCut {
				continue // nobody shares what he catches up on
			}
			all[k.name+suffix] = k.measure(readers)
		}
	}
	return all, nil
}

// unlimited lets compressing take all the time that it wants: here nothing else is to be done.
const unlimited = 1000

func (k *kind) measure(readers int) Figures {
	f := Figures{Frames: len(k.payloads), Readers: readers}
	f.Off, _ = k.cost(ws.DeflateOff, readers)
	f.Auto, f.Share = k.cost(ws.DeflateAuto, readers)
	f.Always, _ = k.cost(ws.DeflateAlways, readers)
	return f
}

// cost wraps up all frames, and returns which share of them was compressed.
func (k *kind) cost(d ws.Deflate, readers int) (Cost, float64) {
	f := ws.NewFraming(k.encoding, d, unlimited)
	var dst []byte
	bytes, compressed := 0, 0
	begin := time.Now()
	for _, p := range k.payloads {
		dst = f.AppendFrame(dst[:0], p, k.use, readers)
		bytes += len(dst)
		if dst[0]&rsv1 != 0 {
			compressed++
		}
	}
	n := float64(len(k.payloads))
	return Cost{Bytes: float64(bytes) / n, Time: float64(time.Since(begin).Nanoseconds()) / 1000 / n}, float64(compressed) / n
}

// rsv1 marks a compressed frame.
const rsv1 = 0x40

// handles take two bytes, as nearly all do on a server of some size.
const firstHandle market.Handle = 1000

// snapshotEvery is after how many cuts a subscriber joins.
const snapshotEvery = 20

// quoteKinds cuts the watchlist.
func (t *tape) quoteKinds(cadence int64) []kind {
	cuts := kind{name: "quotes of a watchlist, what a cut changed", encoding: fanout.Proto, use: fanout.UseCut}
	texts := kind{name: "the same as JSON", encoding: fanout.JSON, use: fanout.UseCut}
	joins := kind{name: "quotes of a watchlist, whole", encoding: fanout.Proto, use: fanout.UseCatchUp}
	joinTexts := kind{name: "the same whole as JSON", encoding: fanout.JSON, use: fanout.UseCatchUp}
	sent, now := make([]market.Quote, len(t.instruments)), make([]market.Quote, len(t.instruments))
	cut := func(n int, at int64) {
		h := wire.Header{CutTime: 1_723_161_254_000_000 + at}
		var delta, full []byte
		var text, fullText wire.TextFrame
		for i := range now {
			if now[i].IngestTime == 0 {
				continue
			}
			shown := now[i]
			shown.IngestTime = h.CutTime - cadence/2
			full = wire.AppendQuoteFull(full, firstHandle+market.Handle(i), &shown, h.CutTime)
			fullText.Quote(&t.instruments[i], &shown)
			if now[i].Position == sent[i].Position {
				continue
			}
			before := sent[i]
			before.IngestTime = shown.IngestTime
			delta = wire.AppendQuoteDelta(delta, firstHandle+market.Handle(i), &before, &shown, h.CutTime)
			text.Quote(&t.instruments[i], &shown)
			sent[i] = now[i]
		}
		if len(delta) > 0 {
			cuts.payloads = append(cuts.payloads, wire.AppendHeader(delta, h))
			texts.payloads = append(texts.payloads, text.Append(nil, h))
		}
		if n%snapshotEvery == snapshotEvery-1 {
			joins.payloads = append(joins.payloads, wire.AppendHeader(full, h))
			joinTexts.payloads = append(joinTexts.payloads, fullText.Append(nil, h))
		}
	}
	n, due := 0, cadence
	for _, q := range t.quotes {
		for q.at > due {
			cut(n, due)
			n, due = n+1, due+cadence
		}
		now[q.instrument] = q.quote
	}
	return []kind{cuts, texts, joins, joinTexts}
}

// bookKinds are the books at the end of the recordings: whole, in parts, and their best levels.
func (t *tape) bookKinds() []kind {
	whole := kind{name: "part of a whole book", encoding: fanout.Proto, use: fanout.UseCatchUp}
	top := kind{name: "book 20 deep, whole", encoding: fanout.Proto, use: fanout.UseCatchUp}
	const part = 1000 // levels in a part
	for i := range t.books {
		b := &t.books[i]
		bids, asks := b.AppendTop(nil, book.Bids, market.MaxLevels), b.AppendTop(nil, book.Asks, market.MaxLevels)
		row := wire.BookRow{Handle: firstHandle, Full: true, Position: b.Position()}
		for from := 0; from < max(len(bids), len(asks)); from += part {
			some := func(l []market.Level) []market.Level { return l[min(from, len(l)):min(from+part, len(l))] }
			whole.payloads = append(whole.payloads, wire.AppendHeader(wire.AppendBook(nil, &row, some(bids), some(asks), 0), wire.Header{CutTime: 1}))
		}
		for range 50 { // as many as others of their kind, so that what auto tries first does not weigh more
			top.payloads = append(top.payloads, wire.AppendHeader(wire.AppendBook(nil, &row, bids[:20], asks[:20], 0), wire.Header{CutTime: 1}))
		}
	}
	for range 4 {
		whole.payloads = append(whole.payloads, whole.payloads...)
	}
	return []kind{whole, top}
}
