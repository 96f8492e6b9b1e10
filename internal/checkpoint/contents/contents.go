package contents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/checkpoint"
	"github.com/feedd/feedd/internal/checkpoint/section"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

// Kinds of sections, in the order in which they stand in a file.
const (
	kindPlace checkpoint.Kind = iota + 1 // one: Place
	kindPast                             // any: places of instruments
	kindState                            // any: sections of snapshot.Store
)

// Place is where a checkpoint stands in the ticks.
type Place struct {
	// Time is when the last tick was applied that is surely in the checkpoint, in microseconds: what came earlier need
	// not be read again.
	Time int64
	// Origin is whose ticks they were.
	Origin Origin
}

// Origin is the stream that records a node's ticks. The zero Origin is a NATS without one, or one that was not found out.
type Origin struct {
	Cluster, Stream string
	Created         int64 // when the stream was made, in microseconds
}

// Write writes a checkpoint of a store, with the past that was taken of ingest before. It gives up when ctx ends.
func Write(ctx context.Context, w *checkpoint.Writer, at Place, past []ingest.Past, store *snapshot.Store) error {
	b := section.AppendInt(nil, at.Time)
	b = section.AppendText(section.AppendText(b, at.Origin.Cluster), at.Origin.Stream)
	if err := w.Section(kindPlace, section.AppendInt(b, at.Origin.Created)); err != nil {
		return err
	}
	if err := writePast(w, past); err != nil {
		return err
	}
	return store.Checkpoint(func(b []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return w.Section(kindState, b)
	})
}

// sectionSize is how many bytes of instruments' places make a section.
const sectionSize = 32 << 10

func writePast(w *checkpoint.Writer, past []ingest.Past) error {
	var b []byte
	for i := range past {
		b = appendPast(b, &past[i])
		if len(b) < sectionSize && i < len(past)-1 {
			continue
		}
		if err := w.Section(kindPast, b); err != nil {
			return err
		}
		b = b[:0]
	}
	return nil
}

// appendPast leaves out what the store knows of the instrument.
func appendPast(dst []byte, p *ingest.Past) []byte {
	dst = section.AppendText(dst, p.Instrument.Symbol.Venue)
	dst = section.AppendText(dst, p.Instrument.Symbol.Name)
	dst = section.AppendUint(dst, uint64(len(p.Scales)))
	for _, e := range p.Scales {
		dst = section.AppendUint(dst, e.Epoch)
		dst = section.AppendUint(section.AppendUint(dst, e.Price), e.Size)
	}
	for _, at := range p.Last {
		dst = section.AppendUint(section.AppendUint(dst, at.Epoch), at.Sequence)
	}
	return dst
}

func readPast(in *section.Reader) (p ingest.Past) {
	p.Instrument.Symbol.Venue, p.Instrument.Symbol.Name = in.Text(), in.Text()
	for n := in.Count(); n > 0 && in.Err() == nil; n-- {
		p.Scales = append(p.Scales, ingest.EpochScales{
			Epoch: market.Epoch(in.Uint(math.MaxUint64)),
			Price: uint8(in.Uint(market.MaxScale)), Size: uint8(in.Uint(market.MaxScale)),
		})
	}
	for i := range p.Last {
		p.Last[i].Epoch, p.Last[i].Sequence = market.Epoch(in.Uint(math.MaxUint64)), market.Sequence(in.Uint(math.MaxUint64))
	}
	return p
}

// Read fills an empty store from a checkpoint, and returns the past for ingest: one for each instrument of the store. Where it
// fails the store is of no use.
func Read(from *checkpoint.Reader, store *snapshot.Store) (at Place, past []ingest.Past, err error) {
	places := map[market.Symbol]ingest.Past{}
	for next := kindPlace; ; {
		kind, b, err := from.Next()
		if errors.Is(err, io.EOF) && next != kindPlace {
			return at, complete(store, places), nil
		}
		if err == nil && kind != next && (kind < next || next == kindPlace) {
			err = fmt.Errorf("a section of kind %d where %d is due", kind, next)
		}
		if err == nil {
			err = readSection(kind, b, &at, places, store)
		}
		if err != nil {
			return Place{}, nil, err
		}
		next = max(kind, kindPast)
	}
}

func readSection(kind checkpoint.Kind, b []byte, at *Place, places map[market.Symbol]ingest.Past, store *snapshot.Store) error {
	in := section.NewReader(b)
	switch kind {
	case kindPlace:
		at.Time = in.Int()
		at.Origin = Origin{Cluster: in.Text(), Stream: in.Text(), Created: in.Int()}
		return in.Err()
	case kindPast:
		for in.More() {
			p := readPast(in)
			places[p.Instrument.Symbol] = p
		}
		return in.Err()
	case kindState:
		return store.Restore(b)
	}
	return fmt.Errorf("a section of kind %d, which nobody knows", kind)
}

// complete makes the past of every instrument in the store out of the places that were noted before the state was: one that was
// defined in between has none yet.
func complete(store *snapshot.Store, places map[market.Symbol]ingest.Past) []ingest.Past {
	all := store.Instruments()
	past := make([]ingest.Past, 0, len(all))
	for _, instrument := range all {
		p := places[instrument.Symbol]
		p.Instrument = instrument
		id, _ := store.Lookup(instrument.Symbol)
		for ch := range p.Last {
			if held := store.Position(id, market.Channel(ch)); p.Last[ch].Before(held) {
				p.Last[ch] = held
			}
		}
		past = append(past, p)
	}
	return past
}
