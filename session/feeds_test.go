package session

import (
	"slices"
	"testing"
)

// sleeper notes that it was woken.
type sleeper struct {
	Subscriber
	feed  int
	woken *[]int
}

func (s sleeper) Wake() { *s.woken = append(*s.woken, s.feed) }

// What a slow connection has room for goes to each feed in its turn, or the delayed rows of a session would wait for a pause in those in
// real time.
func TestFeedsAreWokenInTurn(t *testing.T) {
	var woken []int
	var s seats
	for feed := range 3 {
		s.of = append(s.of, sleeper{feed: feed, woken: &woken})
	}
	first := make(map[int]int)
	for range 6 {
		woken = nil
		s.Wake()
		first[woken[0]]++
		if slices.Sort(woken); !slices.Equal(woken, []int{0, 1, 2}) {
			t.Fatalf("woke %v", woken)
		}
	}
	for feed := range s.of {
		if first[feed] != 2 {
			t.Errorf("feed %d was the first %d times of 6", feed, first[feed])
		}
	}
}
