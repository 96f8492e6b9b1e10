package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/transport/params"
)

// Directory knows the instruments there are.
type Directory interface {
	// Instruments returns every instrument, sorted by symbol. The caller may keep the slice.
	Instruments() []market.Instrument
}

// Bounds of the parameters of GET /v1/instruments.
const (
	DefaultLimit   = 50
	MaxLimit       = 1000
	MaxQueryLength = 100
	MaxSymbols     = 100
	MaxPatterns    = 8 // and lists: each is compared with every instrument
)

// instrument is how an instrument looks in an answer.
type instrument struct {
	Symbol      string `json:"symbol"`
	Description string `json:"description"`
	PriceScale  uint8  `json:"priceScale"`
	SizeScale   uint8  `json:"sizeScale"`
	PriceStep   int64  `json:"priceStep"` // in units of the scale; 0: not known
	SizeStep    int64  `json:"sizeStep"`
	Base        string `json:"base"`
	Quote       string `json:"quote"`
	Source      string `json:"source"`
	AssetClass  string `json:"assetClass"` // empty: not known
	// When a trading day starts, in seconds after 00:00 in the time zone (empty: UTC).
	SessionStartS int32  `json:"sessionStartS"`
	TimeZone      string `json:"timeZone"`
}

type instrumentList struct {
	Instruments []instrument `json:"instruments"`
	Total       int          `json:"total"` // how many fit, of which limit are listed
}

// Instruments answers GET /v1/instruments. q is looked for in symbols and descriptions, upper and lower
// case alike; the best fit comes first: the symbol itself, then its beginning, then its inside, then the
// description. Without q all instruments are listed by symbol. symbols leaves only those that fit one of its
// symbols, patterns and lists. l may be nil: there are no lists. Who asks is told of those of which that one may have
// anything.
func Instruments(d Directory, l Lists, a Access) http.Handler {
	return readOnly(func(w http.ResponseWriter, r *http.Request) {
		who := identify(a, w, r)
		if who == nil {
			return
		}
		s, err := parseSearch(r.URL.RawQuery)
		if err != nil {
			fail(w, http.StatusBadRequest, "%v", err)
			return
		}
		only, err := newFilter(l, s.symbols)
		if err != nil {
			fail(w, http.StatusNotFound, "%v", err)
			return
		}
		answer(w, http.StatusOK, s.run(d.Instruments(), only, who.May))
	})
}

// query is what is searched for.
type query struct {
	q       string
	symbols []string
	limit   int
}

func parseSearch(rawQuery string) (s query, err error) {
	p := params.New(rawQuery)
	s.q, _ = p.Text("q")
	s.symbols = p.Words("symbols")
	s.limit = int(p.Number("limit", 1, MaxLimit, DefaultLimit))
	if len(s.q) > MaxQueryLength {
		p.Fail("q has %d bytes: at most %d are allowed", len(s.q), MaxQueryLength)
	}
	many := 0
	for _, word := range s.symbols {
		if isMany(word) {
			many++
		}
	}
	if len(s.symbols) > MaxSymbols || many > MaxPatterns {
		p.Fail("symbols has %d, of which %d are patterns or lists: at most %d are allowed, and %d of these", len(s.symbols), many, MaxSymbols, MaxPatterns)
	}
	return s, p.End()
}

// fit is how well an instrument answers a query; smaller is better.
type fit int

const (
	fitSymbol fit = iota
	fitSymbolPrefix
	fitSymbolInside
	fitDescription
	fits // no fit
)

func rank(in *market.Instrument, q string) fit {
	symbol, name := strings.ToLower(in.Symbol.String()), strings.ToLower(in.Symbol.Name)
	switch {
	case symbol == q || name == q:
		return fitSymbol
	case strings.HasPrefix(symbol, q) || strings.HasPrefix(name, q):
		return fitSymbolPrefix
	case strings.Contains(symbol, q):
		return fitSymbolInside
	case strings.Contains(strings.ToLower(in.Description), q):
		return fitDescription
	}
	return fits
}

// run keeps the order of all among equal fits.
func (s *query) run(all []market.Instrument, only *filter, may *entitlement.Set) instrumentList {
	q := strings.ToLower(s.q)
	var found [fits][]*market.Instrument
	list := instrumentList{Instruments: []instrument{}}
	for i := range all {
		in := &all[i]
		if in.Delisted || !only.has(in) || !may.Knows(in.Symbol.String()) {
			continue
		}
		f := fitSymbol
		if q != "" {
			f = rank(in, q)
		}
		if f == fits {
			continue
		}
		list.Total++
		if len(found[f]) < s.limit {
			found[f] = append(found[f], in)
		}
	}
	best := slices.Concat(found[:]...)
	for _, in := range best[:min(s.limit, len(best))] {
		list.Instruments = append(list.Instruments, instrument{
			Symbol: in.Symbol.String(), Description: in.Description, PriceScale: in.PriceScale, SizeScale: in.SizeScale,
			PriceStep: in.PriceStep, SizeStep: in.SizeStep, Base: in.Base, Quote: in.Quote, Source: in.Source,
			AssetClass: in.Asset.String(), SessionStartS: in.SessionStart, TimeZone: in.TimeZone,
		})
	}
	return list
}
