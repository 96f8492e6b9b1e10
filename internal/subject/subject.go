package subject

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/feedd/feedd/market"
)

const (
	root      = "md"
	snapshot  = "snapshot"
	heartbeat = "heartbeat"
)

// All matches every subject of this package.
const All = root + ".>"

// Kind tells what a subject carries.
type Kind uint8

// Kinds of subject.
const (
	Ticks           Kind = iota // md.<venue>.<symbol>.<channel>
	Heartbeats                  // md.<venue>.heartbeat
	SnapshotRequest             // md.snapshot.<venue>.<symbol>
)

// Subject is a parsed subject.
type Subject struct {
	Kind Kind
	// Symbol has no Name where Kind is Heartbeats.
	Symbol market.Symbol
	// Channel is ChannelNone unless Kind is Ticks, and where the token names no channel that this
	// version knows.
	Channel market.Channel
}

// For returns the subject of an instrument's ticks on a channel.
func For(sym market.Symbol, ch market.Channel) string {
	return root + "." + Token(sym.Venue) + "." + Token(sym.Name) + "." + ch.String()
}

// Heartbeat returns the subject of a venue's heartbeats.
func Heartbeat(venue string) string {
	return root + "." + Token(venue) + "." + heartbeat
}

// Snapshot returns the subject on which an instrument's state is asked for.
func Snapshot(sym market.Symbol) string {
	return root + "." + snapshot + "." + Token(sym.Venue) + "." + Token(sym.Name)
}

// Snapshots matches the snapshot requests for all instruments of a venue.
func Snapshots(venue string) string {
	return root + "." + snapshot + "." + Token(venue) + ".*"
}

// AllOf matches the ticks of all instruments on a channel.
func AllOf(ch market.Channel) string {
	return root + ".*.*." + ch.String()
}

var errForm = errors.New("want md.<venue>.<symbol>.<channel> or md.<venue>.heartbeat")

// ValidateVenue reports whether a venue may have that name.
func ValidateVenue(venue string) error {
	if venue == snapshot {
		return fmt.Errorf("venue %q: the name is taken by snapshot requests", venue)
	}
	if !utf8.ValidString(venue) {
		return fmt.Errorf("venue %q is not UTF-8", venue)
	}
	return market.Symbol{Venue: venue, Name: "X"}.Validate()
}

// Parse takes a subject apart. The error says what is wrong with it. A channel of an unknown name is no
// error: see Subject.Channel.
func Parse(subject string) (Subject, error) {
	var token [4]string
	n := 0
	for part := range strings.SplitSeq(subject, ".") {
		if n == len(token) || part == "" {
			return Subject{}, fmt.Errorf("subject %q: %w", subject, errForm)
		}
		token[n] = part
		n++
	}
	if token[0] != root || n < 3 {
		return Subject{}, fmt.Errorf("subject %q: %w", subject, errForm)
	}
	if n == 3 {
		return parseHeartbeat(subject, token[1], token[2])
	}
	var s Subject
	venue, name := token[1], token[2]
	if token[1] == snapshot {
		s.Kind = SnapshotRequest
		venue, name = token[2], token[3]
	} else {
		s.Channel = market.ParseChannel(token[3])
	}
	var err error
	if s.Symbol.Venue, err = ParseToken(venue); err != nil {
		return Subject{}, err
	}
	if s.Symbol.Name, err = ParseToken(name); err != nil {
		return Subject{}, err
	}
	if err = ValidateVenue(s.Symbol.Venue); err != nil {
		return Subject{}, err
	}
	if !utf8.ValidString(s.Symbol.Name) {
		return Subject{}, fmt.Errorf("subject %q: symbol %q is not UTF-8", subject, s.Symbol.Name)
	}
	return s, s.Symbol.Validate()
}

func parseHeartbeat(subject, venue, last string) (Subject, error) {
	if last != heartbeat {
		return Subject{}, fmt.Errorf("subject %q: %w", subject, errForm)
	}
	venue, err := ParseToken(venue)
	if err != nil {
		return Subject{}, err
	}
	return Subject{Kind: Heartbeats, Symbol: market.Symbol{Venue: venue}}, ValidateVenue(venue)
}
