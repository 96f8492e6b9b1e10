package fanout

import "fmt"

// TooLargeError says that a snapshot does not fit the limit that was asked for.
type TooLargeError struct {
	Limit int // bytes
	Items int // that fitted
}

// Error says so in words.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the snapshot is larger than %d bytes; the first %d items fit", e.Limit, e.Items)
}

// Snapshot returns the state of items as one frame's payload: the rows that a new subscriber would get. Each item
// is of one moment; ingest goes on between them. It fails with a TooLargeError where the rows need more than limit bytes.
// It may be called from any goroutine, and costs the caller's time alone.
func (e *Engine) Snapshot(items []Item, enc Encoding, limit int) ([]byte, error) {
	var b builder
	b.delay = e.options.delayMs()
	b.reset(enc, e.workers[0].wall())
	b.limit = limit
	for n := range items {
		if !e.appendState(&b, &items[n]) || b.len() > limit {
			return nil, &TooLargeError{Limit: limit, Items: n}
		}
	}
	return b.finish(false), nil
}

// appendState appends the rows of it, and reports whether all of them found room.
func (e *Engine) appendState(b *builder, it *Item) (whole bool) {
	v := newView(it.Handle, e.store.Topic(it.Handle), new(int64))
	r := e.store.Acquire()
	defer r.Release()
	v.freeze(r, nil)
	var m mark
	v.join(&m, it, r)
	for v.catchUp(b, &m, r, true) == more {
		if b.len() >= b.limit {
			return false
		}
	}
	return true
}
