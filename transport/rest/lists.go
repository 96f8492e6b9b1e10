package rest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/transport/params"
)

// Lists knows named lists of symbols and patterns.
type Lists interface {
	Entries(name string) ([]string, bool)
	// Has reports whether a symbol stands in a list or fits one of its patterns.
	Has(name, symbol string) bool
	Names() []string
}

// namedList is how a list looks in an answer.
type namedList struct {
	Name    string   `json:"name"`
	Symbols []string `json:"symbols"` // and patterns
}

// NamedLists answers GET /v1/lists with all lists, by name, without the symbols of which who asks may have nothing. l may
// be nil: there are none.
func NamedLists(l Lists, a Access) http.Handler {
	return readOnly(func(w http.ResponseWriter, r *http.Request) {
		who := identify(a, w, r)
		if who == nil {
			return
		}
		if err := params.New(r.URL.RawQuery).End(); err != nil {
			fail(w, http.StatusBadRequest, "%v", err)
			return
		}
		all := []namedList{}
		if l != nil {
			for _, name := range l.Names() {
				if entries, ok := l.Entries(name); ok {
					all = append(all, namedList{name, visible(entries, who.May)})
				}
			}
		}
		answer(w, http.StatusOK, struct {
			Lists []namedList `json:"lists"`
		}{all})
	})
}

// visible returns the patterns of a list, and those of its symbols of which somebody may have anything.
func visible(entries []string, may *entitlement.Set) []string {
	return slices.DeleteFunc(slices.Clone(entries), func(entry string) bool { return !strings.Contains(entry, "*") && !may.Knows(entry) })
}

// filter is a choice of instruments by symbols, patterns and lists. nil chooses all.
type filter struct {
	symbols  map[string]bool
	patterns []string
	lists    []string // names, which exist
	from     Lists
}

// newFilter makes a filter of words, of which there may be none.
func newFilter(l Lists, words []string) (*filter, error) {
	if len(words) == 0 {
		return nil, nil
	}
	f := &filter{symbols: make(map[string]bool), from: l}
	for _, word := range words {
		name, isList := strings.CutPrefix(word, "@")
		switch {
		case isList && (l == nil || !slices.Contains(l.Names(), name)):
			return nil, fmt.Errorf("list %q is not known here: GET /v1/lists has those that are", word)
		case isList:
			f.lists = append(f.lists, name)
		case strings.Contains(word, "*"):
			f.patterns = append(f.patterns, word)
		default:
			f.symbols[word] = true
		}
	}
	return f, nil
}

func (f *filter) has(in *market.Instrument) bool {
	if f == nil {
		return true
	}
	symbol := in.Symbol.String()
	return f.symbols[symbol] ||
		slices.ContainsFunc(f.patterns, func(p string) bool { return market.Fits(p, symbol) }) ||
		slices.ContainsFunc(f.lists, func(name string) bool { return f.from.Has(name, symbol) })
}

// isMany reports whether a word stands for several instruments.
func isMany(word string) bool { return strings.Contains(word, "*") || strings.HasPrefix(word, "@") }
