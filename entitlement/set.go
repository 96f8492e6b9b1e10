package entitlement

import (
	"fmt"
	"strings"
	"time"

	"github.com/feedd/feedd/market"
)

// Set is what somebody may have. It never changes. nil allows nothing.
type Set struct{ rules []Rule }

// Everything returns the set that allows everything in real time.
func Everything() *Set { return &everything }

var everything = Set{rules: []Rule{{pattern: "*", channels: allChannels}}}

// Parse reads a set from its rules. None allow nothing.
func Parse(rules []string) (*Set, error) {
	if len(rules) > MaxRules {
		return nil, fmt.Errorf("%d entitlements: at most %d are allowed; patterns with * need fewer", len(rules), MaxRules)
	}
	s := new(Set)
	for _, text := range rules {
		r, err := ParseRule(text)
		if err != nil {
			return nil, err
		}
		s.rules = append(s.rules, r)
	}
	return s, nil
}

// Right is what a set allows of one view: from which delay on, and how deep.
type Right struct {
	Delay time.Duration // at least; 0: real time
	Depth uint8         // of a book: levels a side at most; 0: all
}

// Best returns the best right to an instrument's channel, among those with a delay of at least least: the shortest delay
// that gives anything of it, and with that delay the deepest book. ok is false where there is none. Grouped books sum
// up levels beyond their own, so they need the right to all of them.
func (s *Set) Best(symbol string, ch market.Channel, v market.View, least time.Duration) (right Right, ok bool) {
	if s == nil {
		return Right{}, false
	}
	for i := range s.rules {
		r := &s.rules[i]
		if !r.allows(ch, v) || !market.Fits(r.pattern, symbol) {
			continue
		}
		at := Right{Delay: max(r.delay, least), Depth: r.depth}
		if !ok || at.Delay < right.Delay || at.Delay == right.Delay && deeper(at.Depth, right.Depth) {
			right, ok = at, true
		}
	}
	return right, ok
}

// allows reports whether a rule gives anything of a view, for the symbols that it is about. The status of an instrument
// goes with any of its channels: without it nobody knows whether the others may be believed.
func (r *Rule) allows(ch market.Channel, v market.View) bool {
	return (ch == market.ChannelStatus || r.channels&only(ch) != 0) && (v.Group == 0 || r.depth == 0)
}

// deeper reports whether a book of a levels holds more than one of b, 0 being all of them.
func deeper(a, b uint8) bool { return b != 0 && (a == 0 || a > b) }

// Clamp returns the depth that is given to who wishes one.
func (r Right) Clamp(wish uint8) uint8 {
	if deeper(wish, r.Depth) {
		return r.Depth
	}
	return wish
}

// Knows reports whether the set allows anything of a symbol, so that whoever has it may be told that the instrument
// exists.
func (s *Set) Knows(symbol string) bool {
	_, ok := s.Best(symbol, market.ChannelStatus, market.View{}, 0)
	return ok
}

// All reports whether the set allows everything in real time, which spares asking it.
func (s *Set) All() bool { return s == &everything }

// String returns the rules, separated by "; ".
func (s *Set) String() string {
	if s == nil || len(s.rules) == 0 {
		return "nothing"
	}
	words := make([]string, len(s.rules))
	for i, r := range s.rules {
		words[i] = r.String()
	}
	return strings.Join(words, "; ")
}
