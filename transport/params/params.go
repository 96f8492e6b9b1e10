package params

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Query reads the parameters of a query. The first fault stays; unknown parameters are faults, so that a typing error
// does not pass for an answer.
type Query struct {
	values url.Values
	known  []string
	err    error
}

// New reads a raw query.
func New(rawQuery string) *Query {
	values, err := url.ParseQuery(rawQuery)
	p := &Query{values: values}
	if err != nil {
		p.Fail("query %q cannot be read: %w", rawQuery, err)
	}
	return p
}

// Fail notes a fault of the caller's own finding.
func (p *Query) Fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// Text returns a parameter; given tells it apart from an empty one.
func (p *Query) Text(name string) (text string, given bool) {
	p.known = append(p.known, name)
	all, given := p.values[name]
	if !given {
		return "", false
	}
	if len(all) > 1 {
		p.Fail("parameter %s is given %d times: want it once", name, len(all))
	}
	return strings.TrimSpace(all[0]), true
}

// Number returns a parameter that is a whole number from least to most; otherwise where it is not given.
func (p *Query) Number(name string, least, most, otherwise int64) int64 {
	text, given := p.Text(name)
	if !given {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		p.Fail("%s %q: want a number from %d to %d", name, text, least, most)
	}
	return n
}

// Words returns what commas separate in a parameter; nil where it is not given.
func (p *Query) Words(name string) (words []string) {
	text, _ := p.Text(name)
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// End returns the first fault, once all that is known was asked for.
func (p *Query) End() error {
	for name := range p.values {
		switch {
		case slices.Contains(p.known, name):
		case len(p.known) == 0:
			p.Fail("unknown parameter %q: there are none here", name)
		default:
			p.Fail("unknown parameter %q: want %s", name, and(p.known))
		}
	}
	return p.err
}

// and writes "a, b and c".
func and(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
