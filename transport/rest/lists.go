package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/feedd/feedd/internal/lists"
	"github.com/feedd/feedd/market"
)

// Lists knows named lists of symbols and patterns.
type Lists interface {
	Entries(name string) ([]string, bool)
	Names() []string
}

// namedList is how a list looks in an answer.
type namedList struct {
	Name    string   `json:"name"`
	Symbols []string `json:"symbols"` // and patterns
}

// NamedLists answers GET /v1/lists with all lists, by name. l may be nil: there are none.
func NamedLists(l Lists) http.Handler {
	return readOnly(func(w http.ResponseWriter, r *http.Request) {
		if err := newParams(r.URL.RawQuery).end(); err != nil {
			fail(w, http.StatusBadRequest, "%v", err)
			return
		}
		all := []namedList{}
		if l != nil {
			for _, name := range l.Names() {
				if entries, ok := l.Entries(name); ok {
					all = append(all, namedList{name, entries})
				}
			}
		}
		answer(w, http.StatusOK, struct {
			Lists []namedList `json:"lists"`
		}{all})
	})
}

// filter is a choice of instruments by symbols, patterns and lists. nil chooses all.
type filter []string

// newFilter resolves the lists among words. It returns the name of one that is unknown.
func newFilter(l Lists, words []string) (f filter, unknown string) {
	for _, word := range words {
		name, isList := strings.CutPrefix(word, "@")
		if !isList {
			f = append(f, word)
			continue
		}
		var entries []string
		known := false
		if l != nil {
			entries, known = l.Entries(name)
		}
		if !known {
			return nil, word
		}
		f = append(f, entries...)
	}
	if f == nil && len(words) > 0 {
		f = filter{}
	}
	return f, ""
}

func (f filter) has(in *market.Instrument) bool {
	if f == nil {
		return true
	}
	symbol := in.Symbol.String()
	return slices.ContainsFunc(f, func(entry string) bool { return lists.Fits(entry, symbol) })
}
