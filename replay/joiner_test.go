package replay

import (
	"fmt"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

// The exchange's rule for a book: what is published of each order of events, told by the ids.
func TestJoiner(t *testing.T) {
	spotDepth := func(first, last int64) recording.Event { return depth(spot, time.Second, first, last, 0) }
	futuresDepth := func(previous, first, last int64) recording.Event {
		return depth(futures, time.Second, first, last, previous)
	}
	at := func(last int64) recording.Event { return snapshot(spot, time.Second, last) }
	tests := map[string]struct {
		events []recording.Event
		want   string
		tally  Tally
	}{
		"snapshot first": {
			[]recording.Event{at(10), spotDepth(11, 12), spotDepth(13, 13)}, "[image10 12 13]", Tally{}},
		"changes ahead of the snapshot are held": {
			[]recording.Event{spotDepth(5, 8), spotDepth(9, 12), at(10), spotDepth(13, 15)}, "[image10 12 15]", Tally{Stale: 1}},
		"a change that ends with the snapshot is stale": {
			[]recording.Event{spotDepth(9, 10), at(10), spotDepth(11, 11)}, "[image10 11]", Tally{Stale: 1}},
		"a hole behind the snapshot": {
			[]recording.Event{at(10), spotDepth(12, 13), spotDepth(14, 15)}, "[image10]", Tally{Breaks: 1, Unjoined: 2}},
		"a hole between changes heals with the next snapshot": {
			[]recording.Event{at(10), spotDepth(11, 12), spotDepth(14, 15), spotDepth(16, 17), at(15), spotDepth(18, 18)},
			"[image10 12 image15 17 18]", Tally{Breaks: 1, Stale: 1}},
		"a repeated change is stale": {
			[]recording.Event{at(10), spotDepth(11, 12), spotDepth(11, 12), spotDepth(13, 14)}, "[image10 12 14]", Tally{Stale: 1}},
		"a snapshot behind the changes is stale": {
			[]recording.Event{at(10), spotDepth(11, 20), at(15), spotDepth(21, 22)}, "[image10 20 22]", Tally{Stale: 1}},
		"a snapshot ahead of the changes skips them": {
			[]recording.Event{at(10), spotDepth(11, 12), at(20), spotDepth(13, 18), spotDepth(19, 21)}, "[image10 12 image20 21]", Tally{Stale: 1}},
		"no snapshot at all": {
			[]recording.Event{spotDepth(11, 12), spotDepth(13, 14)}, "[]", Tally{Unjoined: 2}},
		"futures: holes in the ids are no breaks": {
			[]recording.Event{futuresDepth(5, 7, 9), at(10), futuresDepth(9, 12, 15), futuresDepth(15, 20, 22)}, "[image10 15 22]", Tally{Stale: 1}},
		"futures: a missing change is": {
			[]recording.Event{at(10), futuresDepth(9, 12, 15), futuresDepth(18, 20, 22)}, "[image10 15]", Tally{Breaks: 1, Unjoined: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			var tally Tally
			j := joiner{tally: &tally}
			for _, e := range tt.events {
				if e.Kind == recording.Snapshot {
					j.snapshots++
				}
			}
			for _, e := range tt.events {
				if err := j.add(&e.Book, e.Kind == recording.Snapshot, func(b publish.Book) error {
					if b.Snapshot {
						got = append(got, fmt.Sprint("image", b.Asks[0].Price))
					} else {
						got = append(got, fmt.Sprint(b.Bids[0].Price))
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				e.Book.Bids = append(e.Book.Bids[:0], market.Level{Price: -1}) // the reader uses it again
			}
			if fmt.Sprint(got) != tt.want || tally != tt.tally {
				t.Errorf("published %v, %+v\nwant %s, %+v", got, tally, tt.want, tt.tally)
			}
		})
	}
}

func TestJoinerHoldsABoundedNumberOfChanges(t *testing.T) {
	var tally Tally
	j := joiner{snapshots: 1, tally: &tally}
	for i := range int64(maxHeld + 5) {
		if err := j.add(&recording.Book{First: i, Last: i}, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(j.held) != maxHeld || tally.Unjoined != 5 || j.held[0].Last != 5 {
		t.Errorf("%d held from %d, %+v", len(j.held), j.held[0].Last, tally)
	}
}
