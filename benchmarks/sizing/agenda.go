package sizing

// event is something that happens to a client or a node.
type event struct {
	at    float64 // seconds
	order uint64  // of events at one time, those that were planned first come first
	kind  kind
	who   int32  // a client or a node
	turn  uint32 // of the client: an event for an attempt that is over means nothing
}

type kind uint8

const (
	arrives   kind = iota // a client's attempt reaches the balancer
	impatient             // a client has waited long enough for its welcome
	drops                 // a client notices that its connection is gone, or ends it
	joined                // a node is done with the join at the head of its queue
	looks                 // every node looks at its load
	script                // the case goes on: who is the step
)

// agenda holds what is to come: a binary heap, by hand since there are millions of events and container/heap
// boxes each.
type agenda struct {
	events []event
	order  uint64
}

func (a *agenda) add(e event) {
	a.order++
	e.order = a.order
	a.events = append(a.events, e)
	for i := len(a.events) - 1; i > 0; {
		up := (i - 1) / 2
		if !a.events[i].before(&a.events[up]) {
			return
		}
		a.events[i], a.events[up] = a.events[up], a.events[i]
		i = up
	}
}

func (a *agenda) next() (event, bool) {
	if len(a.events) == 0 {
		return event{}, false
	}
	first, last := a.events[0], len(a.events)-1
	a.events[0] = a.events[last]
	a.events = a.events[:last]
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < last && a.events[down].before(&a.events[least]) {
				least = down
			}
		}
		if least == i {
			return first, true
		}
		a.events[i], a.events[least] = a.events[least], a.events[i]
		i = least
	}
}

func (e *event) before(f *event) bool {
	if e.at != f.at {
		return e.at < f.at
	}
	return e.order < f.order
}
