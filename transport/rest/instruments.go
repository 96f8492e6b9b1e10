package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/feedd/feedd/market"
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
)

// instrument is how an instrument looks in an answer.
type instrument struct {
	Symbol      string `json:"symbol"`
	Description string `json:"description"`
	PriceScale  uint8  `json:"priceScale"`
	SizeScale   uint8  `json:"sizeScale"`
	PriceStep   int64  `json:"priceStep"` // in units of the scale; 0: not known
	Base        string `json:"base"`
	Quote       string `json:"quote"`
	Source      string `json:"source"`
}

type instrumentList struct {
	Instruments []instrument `json:"instruments"`
	Total       int          `json:"total"` // how many fit, of which limit are listed
}

// Instruments answers GET /v1/instruments. q is looked for in symbols and descriptions, upper and lower
// case alike; the best fit comes first: the symbol itself, then its beginning, then its inside, then the
// description. Without q all instruments are listed by symbol.
func Instruments(d Directory) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			fail(w, http.StatusMethodNotAllowed, "%s is not possible here: want GET", r.Method)
			return
		}
		q, limit, err := parseSearch(r.URL.RawQuery)
		if err != nil {
			fail(w, http.StatusBadRequest, "%v", err)
			return
		}
		answer(w, http.StatusOK, search(d.Instruments(), q, limit))
	})
}

// parseSearch refuses parameters that it does not know, so that a typing error does not pass for an
// answer.
func parseSearch(rawQuery string) (q string, limit int, err error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return "", 0, fmt.Errorf("query %q cannot be read: %w", rawQuery, err)
	}
	limit = DefaultLimit
	for name, all := range values {
		if len(all) > 1 {
			return "", 0, fmt.Errorf("parameter %s is given %d times: want it once", name, len(all))
		}
		switch name {
		case "q":
			if q = strings.TrimSpace(all[0]); len(q) > MaxQueryLength {
				return "", 0, fmt.Errorf("q has %d bytes: at most %d are allowed", len(q), MaxQueryLength)
			}
		case "limit":
			limit, err = strconv.Atoi(all[0])
			if err != nil || limit < 1 || limit > MaxLimit {
				return "", 0, fmt.Errorf("limit %q: want a number from 1 to %d", all[0], MaxLimit)
			}
		default:
			return "", 0, fmt.Errorf("unknown parameter %q: want q and limit", name)
		}
	}
	return q, limit, nil
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

// search keeps the order of all among equal fits.
func search(all []market.Instrument, q string, limit int) instrumentList {
	q = strings.ToLower(q)
	var found [fits][]*market.Instrument
	list := instrumentList{Instruments: []instrument{}}
	for i := range all {
		in := &all[i]
		if in.Delisted {
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
		if len(found[f]) < limit {
			found[f] = append(found[f], in)
		}
	}
	best := slices.Concat(found[:]...)
	for _, in := range best[:min(limit, len(best))] {
		list.Instruments = append(list.Instruments, instrument{
			Symbol: in.Symbol.String(), Description: in.Description, PriceScale: in.PriceScale, SizeScale: in.SizeScale,
			PriceStep: in.PriceStep, Base: in.Base, Quote: in.Quote, Source: in.Source,
		})
	}
	return list
}

// fail answers with an error as JSON.
func fail(w http.ResponseWriter, status int, format string, args ...any) {
	answer(w, status, struct {
		Error string `json:"error"`
	}{fmt.Sprintf(format, args...)})
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
