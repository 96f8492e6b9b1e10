package snapshot

import (
	"math"

	"github.com/feedd/feedd/internal/checkpoint/section"
	"github.com/feedd/feedd/market"
)

// A stored log is the number of its events, and where there are any: the origin, the epochs that ended, and the events, each as
// it differs from the one before. An event's first byte is its kind, in two bits, its aggressor, in two, and flags.
const (
	storedGap          = 3 // in place of a kind
	storedKinds        = 3 // mask of it
	storedAggressorBit = 2
	storedEpoch        = 1 << 4 // of another epoch than the event before
	storedJump         = 1 << 5 // not the number behind that of the event before
	storedRefers       = 1 << 6
)

// appendTo appends the last events of l, at most so many.
func (l *log) appendTo(dst []byte, most int) []byte {
	from := l.next - min(l.next-l.first, uint64(most))
	dst = section.AppendUint(dst, l.next-from)
	if l.next == from {
		return dst
	}
	dst = appendPosition(dst, l.origin)
	ended := l.ended
	for i := l.first; i < from; i++ {
		if p := l.at(i).trade.Position; p.Epoch != l.at(i+1).trade.Position.Epoch {
			ended = append(ended[:len(ended):len(ended)], p)
		}
	}
	ended = ended[max(0, len(ended)-maxEnded):]
	dst = section.AppendUint(dst, uint64(len(ended)))
	for _, p := range ended {
		dst = appendPosition(dst, p)
	}
	last := market.Trade{}
	for i := from; i < l.next; i++ {
		dst = appendEvent(dst, &last, &l.at(i).trade)
	}
	return dst
}

// appendEvent appends t and brings last forward: to t, or of a gap only to its time and place.
func appendEvent(dst []byte, last, t *market.Trade) []byte {
	head := uint8(t.Kind) | uint8(t.Aggressor)<<storedAggressorBit
	gap := t.Kind == kindGap
	if gap {
		head = storedGap
	}
	if t.Position.Epoch != last.Position.Epoch {
		head |= storedEpoch
	}
	if t.Position.Sequence != last.Position.Sequence+1 {
		head |= storedJump
	}
	if t.RefersTo != 0 {
		head |= storedRefers
	}
	dst = append(dst, head)
	if head&storedEpoch != 0 {
		dst = section.AppendUint(dst, t.Position.Epoch)
	}
	if head&storedJump != 0 {
		dst = section.AppendUint(dst, t.Position.Sequence)
	}
	if head&storedRefers != 0 {
		dst = section.AppendUint(dst, t.RefersTo)
	}
	dst = section.AppendInt(dst, t.IngestTime-last.IngestTime)
	if gap {
		last.Position, last.IngestTime = t.Position, t.IngestTime
		return dst
	}
	dst = section.AppendInt(dst, t.Price-last.Price)
	dst = section.AppendInt(dst, t.Size)
	dst = section.AppendInt(dst, t.ExchangeTime-last.ExchangeTime)
	dst = section.AppendInt(dst, int64(t.ID-last.ID))
	*last = *t
	return dst
}

// readLog fills the log of an instrument that has none.
func (s *Store) readLog(in *section.Reader, id market.InstrumentID) {
	n := in.Count()
	if n == 0 {
		return
	}
	l := s.tradeLog(id)
	origin := readPosition(in)
	for k := in.Uint(maxEnded); k > 0; k-- {
		l.ended = append(l.ended, readPosition(in))
	}
	last := market.Trade{}
	for k := range n {
		before := last.Position
		t := readEvent(in, &last)
		from := t.Position.Sequence
		if t.Kind == kindGap {
			from = t.RefersTo
		}
		if k > 0 && !before.Before(market.Position{Epoch: t.Position.Epoch, Sequence: from}) || from > t.Position.Sequence {
			in.Fail("event %d of the log is not behind the one before", k)
		}
		if in.Err() != nil {
			return
		}
		if t.Kind == kindGap {
			l.appendGap(t.Position.Epoch, t.RefersTo, t.Position.Sequence, 0)
			l.at(l.next - 1).trade.IngestTime = t.IngestTime
		} else {
			l.append(&t, 0)
		}
	}
	l.origin = origin
}

// readEvent reads an event and brings last forward as appendEvent does.
func readEvent(in *section.Reader, last *market.Trade) market.Trade {
	head := in.Uint(math.MaxInt8)
	t := market.Trade{Kind: market.TradeKind(head & storedKinds), Aggressor: market.Side(head >> storedAggressorBit & 3)}
	t.Position = market.Position{Epoch: last.Position.Epoch, Sequence: last.Position.Sequence + 1}
	if head&storedEpoch != 0 {
		t.Position.Epoch = market.Epoch(in.Uint(math.MaxUint64))
	}
	if head&storedJump != 0 {
		t.Position.Sequence = market.Sequence(in.Uint(math.MaxUint64))
	}
	if head&storedRefers != 0 {
		t.RefersTo = market.Sequence(in.Uint(math.MaxUint64))
	}
	if t.Aggressor > market.SideSell {
		in.Fail("aggressor %d", t.Aggressor)
	}
	t.IngestTime = last.IngestTime + in.Int()
	if t.Kind == storedGap {
		t.Kind = kindGap
		last.Position, last.IngestTime = t.Position, t.IngestTime
		return t
	}
	t.Price = last.Price + in.Int()
	t.Size = in.Int()
	t.ExchangeTime = last.ExchangeTime + in.Int()
	t.ID = last.ID + uint64(in.Int())
	*last = t
	return t
}
