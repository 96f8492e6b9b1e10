package bars

import (
	"math"
	"sort"

	"github.com/feedd/feedd/market"
)

// limits are how many bars of each of market.Intervals are held, the newest one included.
var limits = [len(market.Intervals)]int{600, 1440, 576, 480, 720, 730}

// Held is a bar in a Series. One without trades is void: all its trades were cancelled.
type Held struct {
	market.Bar
	Revision uint64 // of the series, when the bar changed last
	amended  bool   // it changed when it was closed already
}

// Series is the last bars of one interval of an instrument, in the order of their starts. An index counts them; it goes
// on for as long as the Series lives, and moves by one for the later bars where one is put in between.
type Series struct {
	interval int64 // seconds
	limit    int
	revision uint64 // changes so far: trades, closes and mends
	amended  uint64 // the latest one that changed a bar other than the newest

	newest Held   // apart from the ring, so that a trade touches no other memory
	end    int64  // when the newest bar ends, in seconds; 0: there is no bar
	next   uint64 // index behind the newest bar

	ring []Held // the bars ahead of the newest; it grows up to limit-1
	head int    // place of the oldest in ring
	kept int    // how many are in ring

	dropped dropped
}

// dropped tells which bars the ring has let go, by their numbers.
type dropped struct {
	first, last int64 // of all; 0: none
	// Those that changed when they were closed: a reader behind the revision may hold what they were before.
	amendedFrom, amendedTo int64
	amended                uint64
}

// Revision counts the changes so far.
func (s *Series) Revision() uint64 { return s.revision }

// First and Next are the index of the oldest bar and the index behind the newest.
func (s *Series) First() uint64 {
	if s.next == 0 {
		return 0
	}
	return s.next - 1 - uint64(s.kept)
}

// Next is the index behind the newest bar.
func (s *Series) Next() uint64 { return s.next }

// At returns the bar with an index from First to below Next. It stays as it is until the next change.
func (s *Series) At(i uint64) *Held {
	if i == s.next-1 {
		return &s.newest
	}
	return s.kth(int(i - s.First()))
}

// kth returns the bar that has k others ahead of it in the ring.
func (s *Series) kth(k int) *Held {
	k += s.head
	if k >= len(s.ring) {
		k -= len(s.ring)
	}
	return &s.ring[k]
}

// Number returns the number of a bar: how many intervals from the Unix epoch it starts. It names a bar that is not
// held any more.
func (s *Series) Number(start int64) int64 { return start / s.interval }

// Back returns the index from which there are n closed bars with trades, and behind them the newest, if that is open;
// in any case it is that of the newest bar or before.
func (s *Series) Back(n int) uint64 {
	i := s.next
	if i > 0 && (n == 0 || !s.newest.Closed) {
		i--
	}
	for ; n > 0 && i > s.First(); i-- {
		if s.At(i-1).Trades > 0 {
			n--
		}
	}
	return i
}

// took says what a Series did with a trade.
type took uint8

const (
	tookNot    took = iota // it is older than all bars that are held
	tookLate               // into a bar behind which there are others
	tookNewest             // into the newest bar
	tookNew                // into a new bar, which is the newest
)

// take counts a trade of time sec, which is worth price times size.
func (s *Series) take(sec int64, cal *Calendar, t *market.Trade, worth market.Amount) took {
	if sec >= s.newest.Start && sec < s.end {
		s.revision++
		s.changed(s.next-1, &s.newest)
		s.newest.add(t, worth)
		return tookNewest
	}
	start, end := s.bounds(sec, cal)
	if s.end == 0 || start > s.newest.Start {
		s.revision++
		s.open(start, end)
		s.newest.add(t, worth)
		return tookNew
	}
	i, ok := s.find(sec)
	if !ok {
		return tookNot
	}
	s.revision++
	b := s.At(i)
	if b.Start < start {
		b = s.insert(i+1, start)
	}
	s.changed(i, b)
	b.add(t, worth)
	return tookLate
}

// changed notes that b, which stands at index i, has a new revision.
func (s *Series) changed(i uint64, b *Held) {
	b.Revision = s.revision
	b.amended = b.amended || b.Closed
	if i < s.next-1 {
		s.amended = s.revision
	}
}

func (h *Held) add(t *market.Trade, worth market.Amount) {
	if h.Trades == 0 {
		h.Open, h.High, h.Low = t.Price, t.Price, t.Price
	}
	h.High, h.Low, h.Close = max(h.High, t.Price), min(h.Low, t.Price), t.Price
	h.Volume = plus(h.Volume, t.Size)
	h.Turnover = h.Turnover.Plus(worth)
	h.Trades++
	h.ExchangeTime, h.IngestTime = t.ExchangeTime, t.IngestTime
}

// plus adds what is not below 0. A sum that does not fit stays at the largest number.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// bounds returns the start and end of the bar that holds a moment.
func (s *Series) bounds(sec int64, cal *Calendar) (start, end int64) {
	if s.interval == secondsPerDay {
		return cal.Day(sec)
	}
	start = floor(sec, s.interval)
	return start, start + s.interval
}

// find returns the index of the last bar that starts at sec or before.
func (s *Series) find(sec int64) (uint64, bool) {
	first := s.First()
	n := sort.Search(int(s.next-first), func(n int) bool { return s.At(first+uint64(n)).Start > sec })
	return first + uint64(n) - 1, n > 0
}

// open begins a new newest bar; the one before is closed by it.
func (s *Series) open(start, end int64) {
	if s.end != 0 {
		if !s.newest.Closed {
			s.newest.Closed, s.newest.Revision = true, s.revision
		}
		s.makeRoom()
		s.kept++
		*s.kth(s.kept - 1) = s.newest
	}
	s.newest = Held{Bar: market.Bar{Start: start}, Revision: s.revision}
	s.end = end
	s.next++
}

// insert puts a closed bar in at index i, ahead of which and behind which there are others.
func (s *Series) insert(i uint64, start int64) *Held {
	s.makeRoom()
	k := max(0, int(i)-int(s.First())) // the bar ahead may just have been dropped
	s.kept++
	s.next++
	for n := s.kept - 1; n > k; n-- {
		*s.kth(n) = *s.kth(n - 1)
	}
	b := s.kth(k)
	*b = Held{Bar: market.Bar{Start: start, Closed: true}}
	return b
}

const ringFirstSize = 4

// makeRoom sees to it that the ring takes one more bar: it grows, or drops the oldest where it may not.
func (s *Series) makeRoom() {
	if s.kept < len(s.ring) {
		return
	}
	if size := min(s.limit-1, max(ringFirstSize, 2*len(s.ring))); size > len(s.ring) {
		ring := make([]Held, size)
		for k := range s.kept {
			ring[k] = *s.kth(k)
		}
		s.ring, s.head = ring, 0
		return
	}
	s.dropped.add(s.Number(s.kth(0).Start), s.kth(0))
	s.head = (s.head + 1) % len(s.ring)
	s.kept--
}

// add notes that a bar was dropped.
func (d *dropped) add(number int64, h *Held) {
	if d.last == 0 {
		d.first = number
	}
	d.last = number
	if !h.amended {
		return
	}
	if d.amended == 0 {
		d.amendedFrom = number
	}
	d.amendedTo, d.amended = number, max(d.amended, h.Revision)
}

// graceSeconds is how long behind its end a bar stays open by the clock: what was traded in its last moments is still
// on the way.
const graceSeconds = 1

// close ends the newest bar where its time is over at now, in seconds.
func (s *Series) close(now int64) bool {
	if s.end == 0 || s.newest.Closed || now < s.end+graceSeconds {
		return false
	}
	s.revision++
	s.newest.Closed, s.newest.Revision = true, s.revision
	return true
}

// due is when close will do something, in seconds.
func (s *Series) due() int64 {
	if s.end == 0 || s.newest.Closed {
		return math.MaxInt64
	}
	return s.end + graceSeconds
}
