package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// params reads the parameters of a query. The first fault stays; unknown parameters are faults, so that a typing error
// does not pass for an answer.
type params struct {
	values url.Values
	known  []string
	err    error
}

func newParams(rawQuery string) *params {
	values, err := url.ParseQuery(rawQuery)
	p := &params{values: values}
	if err != nil {
		p.fail("query %q cannot be read: %w", rawQuery, err)
	}
	return p
}

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// text returns a parameter; given tells it apart from an empty one.
func (p *params) text(name string) (text string, given bool) {
	p.known = append(p.known, name)
	all, given := p.values[name]
	if !given {
		return "", false
	}
	if len(all) > 1 {
		p.fail("parameter %s is given %d times: want it once", name, len(all))
	}
	return strings.TrimSpace(all[0]), true
}

// number returns a parameter that is a whole number from least to most; otherwise where it is not given.
func (p *params) number(name string, least, most, otherwise int64) int64 {
	text, given := p.text(name)
	if !given {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		p.fail("%s %q: want a number from %d to %d", name, text, least, most)
	}
	return n
}

// words returns what commas separate in a parameter; nil where it is not given.
func (p *params) words(name string) (words []string) {
	text, _ := p.text(name)
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// end returns the first fault, once all that is known was asked for.
func (p *params) end() error {
	for name := range p.values {
		switch {
		case slices.Contains(p.known, name):
		case len(p.known) == 0:
			p.fail("unknown parameter %q: there are none here", name)
		default:
			p.fail("unknown parameter %q: want %s", name, and(p.known))
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

// readOnly refuses methods other than GET and HEAD.
func readOnly(f http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			fail(w, http.StatusMethodNotAllowed, "%s is not possible here: want GET", r.Method)
			return
		}
		f(w, r)
	})
}
