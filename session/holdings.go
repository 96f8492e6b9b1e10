package session

import (
	"cmp"
	"slices"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// holdings is what a session has subscribed. Sorted slices rather than maps: a session holds a few dozen
// subscriptions, for which a map of handles alone would take a kilobyte.
type holdings struct {
	subs        []subscription   // by handle; len ≤ Tier.Subscriptions, or as many as before that was lowered
	instruments []heldInstrument // by id; those of subs
	sources     []heldSource     // in no order; those of instruments
}

// subscription is one view of an instrument's channel that the client asked for. Its handle is its identity: a
// session may hold a book at two depths.
type subscription struct {
	handle     fanout.Handle
	id         market.InstrumentID
	wish       throttle.Wish
	history    uint16 // events to begin with, should it begin anew
	channel    market.Channel
	visibility throttle.Visibility
	depth      uint8            // of a book, as wished
	sizes      throttle.Cadence // of a quote, as wished
	grouped    bool             // of a book
	summary    bool             // of trades
	timeliness timelinessWish

	// As granted, and as the client was told.
	cadence throttle.Cadence
	reason  throttle.Reason
}

// heldInstrument is an instrument with at least one subscription. Its status, and that of its source, are
// sent for as long as it is held.
type heldInstrument struct {
	id     market.InstrumentID
	source fanout.Handle // 0: none
	told   uint32        // fingerprint of what the client was told of it
	subs   uint16        // how many subscriptions are of it; it has far fewer views than fit
}

type heldSource struct {
	handle      fanout.Handle
	instruments uint32 // held of this source
}

// find returns the subscription of a handle; nil for none. The pointer is valid until the next change.
func (h *holdings) find(handle fanout.Handle) *subscription {
	at, ok := h.at(handle)
	if !ok {
		return nil
	}
	return &h.subs[at]
}

func (h *holdings) at(handle fanout.Handle) (int, bool) {
	return slices.BinarySearchFunc(h.subs, handle, func(s subscription, handle fanout.Handle) int { return cmp.Compare(s.handle, handle) })
}

func (h *holdings) instrument(id market.InstrumentID) (*heldInstrument, int) {
	at, ok := slices.BinarySearchFunc(h.instruments, id, func(in heldInstrument, id market.InstrumentID) int { return cmp.Compare(in.id, id) })
	if !ok {
		return nil, at
	}
	return &h.instruments[at], at
}

// expect makes room for n more subscriptions at once: grown one by one, the lists would end up half empty.
func (h *holdings) expect(n int) {
	h.subs = slices.Grow(h.subs, n)
	h.instruments = slices.Grow(h.instruments, n)
}

// add takes in a subscription that is not held. Its instrument must be.
func (h *holdings) add(s subscription) {
	at, _ := h.at(s.handle)
	h.subs = slices.Insert(h.subs, at, s)
	in, _ := h.instrument(s.id)
	in.subs++
}

// addInstrument takes in an instrument that is not held. It reports whether its source is new too.
func (h *holdings) addInstrument(in heldInstrument) (newSource bool) {
	_, at := h.instrument(in.id)
	h.instruments = slices.Insert(h.instruments, at, in)
	return h.holdSource(in.source)
}

// holdSource counts one more instrument of a source, 0 for none. It reports whether the source is new.
func (h *holdings) holdSource(source fanout.Handle) (isNew bool) {
	if source == 0 {
		return false
	}
	for i := range h.sources {
		if h.sources[i].handle == source {
			h.sources[i].instruments++
			return false
		}
	}
	h.sources = append(h.sources, heldSource{source, 1})
	return true
}

// remove lets go of a subscription that is held, and appends to gone the handles of which nothing is to be
// sent any more: its own, and with the last of an instrument or source those of the statuses.
func (h *holdings) remove(handle fanout.Handle, gone []fanout.Handle, statusOf func(market.InstrumentID) fanout.Handle) []fanout.Handle {
	at, _ := h.at(handle)
	s := h.subs[at]
	h.subs = slices.Delete(h.subs, at, at+1)
	if s.channel != market.ChannelStatus {
		gone = append(gone, handle)
	}
	in, place := h.instrument(s.id)
	if in.subs--; in.subs > 0 {
		return gone
	}
	gone = append(gone, statusOf(in.id))
	if in.source != 0 {
		gone = h.releaseSource(in.source, gone)
	}
	h.instruments = slices.Delete(h.instruments, place, place+1)
	return gone
}

func (h *holdings) releaseSource(handle fanout.Handle, gone []fanout.Handle) []fanout.Handle {
	i := slices.IndexFunc(h.sources, func(s heldSource) bool { return s.handle == handle })
	if h.sources[i].instruments--; h.sources[i].instruments > 0 {
		return gone
	}
	h.sources = slices.Delete(h.sources, i, i+1)
	return append(gone, handle)
}

// split sorts a client's handles into those of subscriptions, without repeats, and the others.
func (h *holdings) split(handles []uint32) (known []fanout.Handle, unknown []uint32) {
	handles = slices.Clone(handles)
	slices.Sort(handles)
	for _, n := range slices.Compact(handles) {
		if _, ok := h.at(fanout.Handle(n)); ok {
			known = append(known, fanout.Handle(n))
		} else {
			unknown = append(unknown, n)
		}
	}
	return known, unknown
}

// handles returns the handles of all subscriptions.
func (h *holdings) handles() []fanout.Handle {
	all := make([]fanout.Handle, len(h.subs))
	for i := range h.subs {
		all[i] = h.subs[i].handle
	}
	return all
}
