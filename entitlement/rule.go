package entitlement

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/feedd/feedd/market"
)

const (
	// MaxRules a set may hold: each subscription looks at all of them.
	MaxRules = 100
	// MaxDelay bounds delays; nobody sells market data older than that as delayed.
	MaxDelay = 24 * time.Hour
	// anyDelay is the delay of a rule that says "delayed" and not by how much: any feed that is not in real time.
	anyDelay = time.Millisecond
)

// channels is a set of channels by number.
type channels uint16

const allChannels channels = 1<<16 - 1

func only(ch market.Channel) channels { return 1 << ch }

// Rule allows something.
type Rule struct {
	pattern  string // of venue:NAME
	channels channels
	depth    uint8         // of books, levels a side at most; 0: all
	delay    time.Duration // at least; 0: real time
}

const ruleForm = `want "PATTERN [CHANNEL,…] [depth=N] [delayed[=15m]]", such as "nyse:* quote,trade delayed"`

// ParseRule reads a rule. Its error says what would be right.
func ParseRule(text string) (Rule, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Rule{}, fmt.Errorf("entitlement %q: %s", text, ruleForm)
	}
	r := Rule{pattern: words[0], channels: allChannels}
	if len(r.pattern) > market.MaxSymbolLen || !strings.Contains(r.pattern, "*") && !strings.Contains(r.pattern, ":") {
		return Rule{}, fmt.Errorf("entitlement %q: pattern %q: want venue:NAME with * for any run of characters, at most %d bytes", text, r.pattern, market.MaxSymbolLen)
	}
	for _, word := range words[1:] {
		if err := r.add(word); err != nil {
			return Rule{}, fmt.Errorf("entitlement %q: %w", text, err)
		}
	}
	return r, nil
}

// add takes in one of the words behind the pattern.
func (r *Rule) add(word string) error {
	name, value, valued := strings.Cut(word, "=")
	switch {
	case name == "depth":
		n, err := strconv.ParseUint(value, 10, 8)
		if err != nil || !slices.Contains(market.Depths[:], uint8(n)) {
			return fmt.Errorf("depth %q: want one of %v", value, market.Depths)
		}
		r.depth = uint8(n)
	case name == "delayed" && !valued:
		r.delay = anyDelay
	case name == "delayed":
		d, err := time.ParseDuration(value)
		if err != nil || d < time.Second || d > MaxDelay {
			return fmt.Errorf("delay %q: want a duration from 1s to %v", value, MaxDelay)
		}
		r.delay = d
	case valued:
		return fmt.Errorf("%q: %s", word, ruleForm)
	default:
		return r.only(word)
	}
	return nil
}

// only restricts the rule to channels.
func (r *Rule) only(list string) error {
	if r.channels != allChannels {
		return fmt.Errorf("%q: the channels are named already; separate them by commas, without spaces", list)
	}
	r.channels = 0
	for name := range strings.SplitSeq(list, ",") {
		ch := market.ParseChannel(name)
		if ch == market.ChannelNone || ch == market.ChannelDefinition {
			return fmt.Errorf("channel %q: want quote, trade, status, book, bar or stats", name)
		}
		r.channels |= only(ch)
	}
	return nil
}

// String returns the rule as text that ParseRule reads.
func (r Rule) String() string {
	words := []string{r.pattern}
	if r.channels != allChannels {
		var names []string
		for ch := market.ChannelNone + 1; ch < 16; ch++ {
			if r.channels&only(ch) != 0 {
				names = append(names, ch.String())
			}
		}
		words = append(words, strings.Join(names, ","))
	}
	if r.depth != 0 {
		words = append(words, fmt.Sprintf("depth=%d", r.depth))
	}
	switch {
	case r.delay == anyDelay:
		words = append(words, "delayed")
	case r.delay != 0:
		words = append(words, "delayed="+r.delay.String())
	}
	return strings.Join(words, " ")
}
