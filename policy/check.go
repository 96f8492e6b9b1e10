package policy

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/feedd/feedd/internal/spelling"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// checker finds what the form of a document does not tell: contradictions, and what can never have an effect.
type checker struct {
	document *Document
	root     *yaml.Node
	problems Problems
	patterns int
}

func (c *checker) failf(path []string, format string, args ...any) {
	c.problems = append(c.problems, Problem{Line: lineOf(c.root, path...), Path: strings.Join(path, "."), Text: fmt.Sprintf(format, args...)})
}

func at(path []string, more ...string) []string { return slices.Concat(path, more) }

func (c *checker) check() {
	d := c.document
	switch {
	case len(d.Tiers) == 0:
		c.failf([]string{"tiers"}, "no tiers: a policy needs at least one, as in\ntiers:\n  default: {}")
		return
	case len(d.Tiers) > maxTiers:
		c.failf([]string{"tiers"}, "%d tiers: at most %d are allowed", len(d.Tiers), maxTiers)
		return
	case len(d.Rules) > maxEntries || len(d.Stops) > maxEntries:
		c.failf(nil, "%d rules and %d stops: at most %d of each are allowed", len(d.Rules), len(d.Stops), maxEntries)
		return
	}
	c.defaultTier()
	for _, name := range slices.Sorted(maps.Keys(d.Tiers)) {
		c.tier(name, d.Tiers[name])
	}
	names := map[string]bool{}
	for i, r := range d.Rules {
		c.rule([]string{"rules", strconv.Itoa(i)}, r, names)
	}
	clear(names)
	for i, s := range d.Stops {
		c.stop([]string{"stops", strconv.Itoa(i)}, s, names)
	}
	if c.patterns > maxPatterns {
		c.failf(nil, "%d patterns in all rules and stops: at most %d are allowed", c.patterns, maxPatterns)
		return // comparing each with each would take too long
	}
	if len(c.problems) == 0 {
		c.shadows()
	}
}

func (c *checker) defaultTier() {
	d := c.document
	switch {
	case d.DefaultTier != "" && d.Tiers[d.DefaultTier] == nil:
		c.failf([]string{"default_tier"}, "%s", unknownTier(d, d.DefaultTier))
	case d.DefaultTier == "" && len(d.Tiers) > 1 && d.Tiers[throttle.DefaultTier] == nil:
		c.failf([]string{"tiers"}, "say which tier is for sessions that have none: name one with default_tier, or call one %q", throttle.DefaultTier)
	}
}

// defaultTierName is the tier of sessions that have none, in a document that is in order.
func (d *Document) defaultTierName() string {
	switch {
	case d.DefaultTier != "":
		return d.DefaultTier
	case d.Tiers[throttle.DefaultTier] != nil:
		return throttle.DefaultTier
	}
	for name := range d.Tiers {
		return name // the only one
	}
	return ""
}

func unknownTier(d *Document, name string) string {
	known := slices.Sorted(maps.Keys(d.Tiers))
	if near := spelling.Nearest(name, known); near != "" {
		return fmt.Sprintf("there is no tier %q: did you mean %s?", clip(name), near)
	}
	return fmt.Sprintf("there is no tier %q: there are %s", clip(name), clip(quoted(known)))
}

var goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

const nameWanted = "want at most 64 letters, digits, dots, dashes and underscores"

func (c *checker) tier(name string, t *Tier) {
	path := []string{"tiers", name}
	if !goodName.MatchString(name) {
		c.failf(path, "name %q: %s", clip(name), nameWanted)
	}
	c.ranges(path, reflect.ValueOf(t).Elem())
	c.limits(path, &t.Limits)
	if t.Adaptive != nil {
		c.ranges(at(path, "adaptive"), reflect.ValueOf(t.Adaptive).Elem())
	}
	for key, h := range map[string]*History{"trade_history": t.TradeHistory, "bar_history": t.BarHistory} {
		if h == nil {
			continue
		}
		c.ranges(at(path, key), reflect.ValueOf(h).Elem())
		if h.Default != nil && h.Most != nil && *h.Default > *h.Most {
			c.failf(at(path, key), "default of %d is more than the most, %d", *h.Default, *h.Most)
		}
	}
}

// ranges checks the numbers of a struct against its tags.
func (c *checker) ranges(path []string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch n := v.Field(i).Interface().(type) {
		case *Count:
			low, _ := strconv.Atoi(f.Tag.Get("min")) // each has both; a test sees to it
			high, _ := strconv.Atoi(f.Tag.Get("max"))
			if n != nil && (int(*n) < low || int(*n) > high) {
				c.failf(at(path, key), "got %d, want %d to %d", *n, low, high)
			}
		case *Span:
			low, _ := time.ParseDuration(f.Tag.Get("min"))
			high, _ := time.ParseDuration(f.Tag.Get("max"))
			if n != nil && (time.Duration(*n) < low || time.Duration(*n) > high) {
				c.failf(at(path, key), "got %v, want %s to %s", time.Duration(*n), f.Tag.Get("min"), f.Tag.Get("max"))
			}
		}
	}
}

// limits checks what limits say by themselves.
func (c *checker) limits(path []string, l *Limits) {
	if l.Fastest == nil {
		return
	}
	fastest := throttle.Cadence(*l.Fastest)
	for key, value := range map[string]*Cadence{"default": l.Default, "hidden": l.Hidden} {
		if value != nil && *value < *l.Fastest {
			c.failf(at(path, key), "%s is faster than the fastest, %s", throttle.Cadence(*value), fastest)
		}
	}
	if s := l.SizeChanges; s != nil && *s != 0 && *s <= *l.Fastest {
		c.failf(at(path, "size_changes"), "%s has no effect beside a fastest of %s: want a slower one, or leave it out", throttle.Cadence(*s), fastest)
	}
}

func (c *checker) rule(path []string, r *Rule, names map[string]bool) {
	c.name(path, r.Name, names)
	c.scope(path, r.Tiers, r.Symbols, r.Channels)
	c.limits(path, &r.Limits)
	l := &r.Limits
	if *l == (Limits{}) {
		c.failf(path, "the rule gives no limits: want one of %s", quoted(keys(reflect.TypeFor[Limits]())))
	}
	if len(r.Channels) > 0 {
		if l.Depth != nil && !slices.Contains(r.Channels, "book") {
			c.failf(at(path, "depth"), "only books have a depth, and the rule is for %s", clip(quoted(r.Channels)))
		}
		if l.SizeChanges != nil && !slices.Contains(r.Channels, "quote") {
			c.failf(at(path, "size_changes"), "only quotes have it, and the rule is for %s", clip(quoted(r.Channels)))
		}
	}
	if t := l.Timeliness; t != nil && throttle.Timeliness(*t) == throttle.NoData && *l != (Limits{Timeliness: t}) {
		c.failf(at(path, "timeliness"), "none leaves nothing to limit: leave out the other limits")
	}
	for _, name := range c.tiersOf(r.Tiers) {
		c.merged(path, r, name)
	}
}

// merged checks a rule in a tier, whose limits it leaves as they are where it says nothing.
func (c *checker) merged(path []string, r *Rule, name string) {
	t := c.document.Tiers[name]
	if t == nil || t.Fastest == nil || r.Fastest != nil {
		return
	}
	for key, value := range map[string]*Cadence{"default": r.Default, "hidden": r.Hidden} {
		if value != nil && *value < *t.Fastest {
			c.failf(at(path, key), "%s is faster than the fastest of tier %s, %s: give the rule a fastest of its own", throttle.Cadence(*value), name, throttle.Cadence(*t.Fastest))
		}
	}
}

func (c *checker) stop(path []string, s *Stop, names map[string]bool) {
	c.name(path, s.Name, names)
	c.scope(path, s.Tiers, s.Symbols, s.Channels)
	if len(s.Symbols) == 0 {
		c.failf(path, `names no symbols: want patterns of venue:NAME, or "*" for everything`)
	}
	if len(s.Reason) > maxReason {
		c.failf(at(path, "reason"), "%d bytes: at most %d are allowed", len(s.Reason), maxReason)
	}
}

func (c *checker) name(path []string, name string, names map[string]bool) {
	switch {
	case name == "":
		c.failf(path, "has no name")
	case !goodName.MatchString(name):
		c.failf(at(path, "name"), "name %q: %s", clip(name), nameWanted)
	case names[name]:
		c.failf(at(path, "name"), "the name %s is taken already", name)
	}
	names[name] = true
}

// scope checks what a rule or a stop is for.
func (c *checker) scope(path, tiers, symbols, channels []string) {
	for i, name := range tiers {
		if c.document.Tiers[name] == nil {
			c.failf(at(path, "tiers", strconv.Itoa(i)), "%s", unknownTier(c.document, name))
		}
	}
	c.patterns += len(symbols)
	for i, p := range symbols {
		if text := badPattern(p); text != "" {
			c.failf(at(path, "symbols", strconv.Itoa(i)), "%s", text)
		}
	}
	for i, name := range channels {
		if !slices.Contains(channelNames, name) {
			c.failf(at(path, "channels", strconv.Itoa(i)), "there is no channel %q that can be limited: want one of %s", clip(name), quoted(channelNames))
		}
	}
}

// channelNames are the channels that a policy may name. A status is always sent, since it says whether the rest may be believed.
var channelNames = []string{"quote", "trade", "book", "bar", "stats"}

func badPattern(p string) string {
	switch {
	case p == "*":
		return ""
	case len(p) > maxPattern:
		return fmt.Sprintf("pattern of %d bytes: at most %d are allowed", len(p), maxPattern)
	case !strings.Contains(p, ":"):
		return fmt.Sprintf(`%q fits no instrument: want venue:NAME, such as "binance:BTC*", "*:%s" or "*"`, clip(p), clip(p))
	}
	venue, name, _ := strings.Cut(p, ":")
	if venue == "" || name == "" {
		return fmt.Sprintf("%q fits no instrument: want something on both sides of the colon, such as %q", clip(p), clip(venue+"*:"+name+"*"))
	}
	return ""
}

// tiersOf are the tiers that a rule or a stop is for.
func (c *checker) tiersOf(names []string) []string {
	if len(names) > 0 {
		return names
	}
	return slices.Sorted(maps.Keys(c.document.Tiers))
}

// shadows finds rules that can never decide, because an earlier one fits all that they fit.
func (c *checker) shadows() {
	rules := c.document.Rules
	for i, later := range rules {
		for _, earlier := range rules[:i] {
			if c.covers(earlier, later) {
				c.failf([]string{"rules", strconv.Itoa(i)}, "rule %s can never decide: rule %s ahead of it fits all that it fits; put it further up", later.Name, earlier.Name)
				break
			}
		}
	}
}

func (c *checker) covers(a, b *Rule) bool {
	tiers := c.tiersOf(a.Tiers)
	for _, name := range c.tiersOf(b.Tiers) {
		if !slices.Contains(tiers, name) {
			return false
		}
	}
	if !channelsOf(a.Channels).Covers(channelsOf(b.Channels)) {
		return false
	}
	if len(a.Symbols) == 0 {
		return true
	}
	return len(b.Symbols) > 0 && !slices.ContainsFunc(b.Symbols, func(q string) bool {
		// A star of q can only fit a star of p, so what p makes of q's text it makes of all that q stands for.
		return !slices.ContainsFunc(a.Symbols, func(p string) bool { return market.Fits(p, q) })
	})
}
