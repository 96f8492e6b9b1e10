package replay

import (
	"slices"

	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/publish"
)

// maxHeld bounds the changes kept while a snapshot is awaited. Recorders ask for it at once, so that a few
// dozen come ahead of it.
const maxHeld = 10_000

// joiner makes one contiguous book of an instrument's snapshots and changes by the exchange's rule: a
// snapshot holds every change up to its id, the first change applied to it spans the id behind, and each
// further one continues the one before. What does not fit is counted, never published.
type joiner struct {
	snapshots int              // still to come
	joined    bool             // the book is known
	last      int64            // id up to which it is
	held      []recording.Book // changes that wait for a snapshot

	tally *Tally
}

// add takes the next step of the book and calls emit for what is to be published because of it.
func (j *joiner) add(b *recording.Book, snapshot bool, emit func(publish.Book) error) error {
	if !snapshot {
		return j.change(b, emit)
	}
	j.snapshots--
	if j.joined && b.Last < j.last {
		j.tally.Stale++ // the book is ahead of it
		return nil
	}
	j.joined, j.last = true, b.Last
	if err := emit(book(b, true)); err != nil {
		return err
	}
	held := j.held
	j.held = nil
	for i := range held {
		if err := j.change(&held[i], emit); err != nil {
			return err
		}
	}
	return nil
}

func (j *joiner) change(b *recording.Book, emit func(publish.Book) error) error {
	if j.joined && b.Last <= j.last {
		j.tally.Stale++
		return nil
	}
	if j.joined && !continues(b, j.last) {
		j.joined = false
		j.tally.Breaks++
	}
	if !j.joined {
		j.hold(b)
		return nil
	}
	j.last = b.Last
	return emit(book(b, false))
}

// continues reports whether b follows a book known up to last. Futures ids have holes between changes, so
// there each change names the one before it. Levels are absolute, so that an overlap does no harm.
func continues(b *recording.Book, last int64) bool {
	if b.HasPrevious {
		return b.Previous <= last
	}
	return b.First <= last+1
}

// hold keeps a change for the next snapshot if one will come. Of too many the oldest goes: a snapshot is
// more likely to hold it already, and if it does not, the break shows.
func (j *joiner) hold(b *recording.Book) {
	if j.snapshots == 0 {
		j.tally.Unjoined++
		return
	}
	if len(j.held) == maxHeld {
		j.held = slices.Delete(j.held, 0, 1)
		j.tally.Unjoined++
	}
	kept := *b
	kept.Bids, kept.Asks = slices.Clone(b.Bids), slices.Clone(b.Asks)
	j.held = append(j.held, kept)
}

func book(b *recording.Book, snapshot bool) publish.Book {
	return publish.Book{Snapshot: snapshot, Bids: b.Bids, Asks: b.Asks, ExchangeTime: b.ExchangeTime}
}
