// Package recordingtest writes recordings for tests, so that they need no recorded market data.
package recordingtest

import (
	"fmt"
	"strings"

	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/market"
)

// decimals is how many the exchange prints, whatever the value needs.
const decimals = 8

// Append appends e as the line that the exchange's stream would have left, with the newline. Prices and
// sizes are read at the scales of in, which are at most 8.
func Append(dst []byte, in recording.Instrument, e *recording.Event) []byte {
	w := writer{Instrument: in, futures: e.Symbol.Venue == recording.VenueFutures, stream: strings.ToLower(e.Symbol.Name)}
	dst = fmt.Appendf(dst, "%d ", e.ReceiveTime)
	switch e.Kind {
	case recording.Quote:
		dst = w.quote(dst, e)
	case recording.Trade:
		dst = w.trade(dst, e)
	case recording.Depth:
		dst = w.depth(dst, e)
	case recording.Snapshot:
		dst = fmt.Appendf(dst, `{"lastUpdateId":%d,%s"bids":%s,"asks":%s}`, e.Book.Last, w.times(e.Book.ExchangeTime), w.levels(e.Book.Bids), w.levels(e.Book.Asks))
	}
	return append(dst, '\n')
}

type writer struct {
	recording.Instrument
	futures bool
	stream  string
}

func (w *writer) quote(dst []byte, e *recording.Event) []byte {
	q := &e.Quote
	return fmt.Appendf(dst, `{"stream":"%s@bookTicker","data":{%s"u":7,"s":"%s","b":"%s","B":"%s","a":"%s","A":"%s"}}`,
		w.stream, w.times(q.ExchangeTime), e.Symbol.Name, w.price(q.Bid), w.size(q.BidSize), w.price(q.Ask), w.size(q.AskSize))
}

func (w *writer) trade(dst []byte, e *recording.Event) []byte {
	t := &e.Trade
	kind := `"M":true`
	if w.futures {
		kind = `"X":"MARKET"`
	}
	return fmt.Appendf(dst, `{"stream":"%s@trade","data":{"e":"trade","E":%d,"T":%d,"s":"%s","t":%d,"p":"%s","q":"%s","m":%t,%s}}`,
		w.stream, t.ExchangeTime/1000+1, t.ExchangeTime/1000, e.Symbol.Name, t.ID, w.price(t.Price), w.size(t.Size), t.Aggressor == market.SideSell, kind)
}

func (w *writer) depth(dst []byte, e *recording.Event) []byte {
	b := &e.Book
	previous := ""
	if b.HasPrevious {
		previous = fmt.Sprintf(`,"T":%d,"pu":%d`, b.ExchangeTime/1000, b.Previous)
	}
	return fmt.Appendf(dst, `{"stream":"%s@depth@100ms","data":{"e":"depthUpdate","E":%d,"s":"%s","U":%d,"u":%d%s,"b":%s,"a":%s}}`,
		w.stream, b.ExchangeTime/1000, e.Symbol.Name, b.First, b.Last, previous, w.levels(b.Bids), w.levels(b.Asks))
}

// times are those of messages that have them on the futures exchange only.
func (w *writer) times(exchangeTime int64) string {
	if !w.futures {
		return ""
	}
	return fmt.Sprintf(`"E":%d,"T":%d,`, exchangeTime/1000+1, exchangeTime/1000)
}

func (w *writer) levels(levels []market.Level) string {
	texts := make([]string, 0, len(levels))
	for _, l := range levels {
		texts = append(texts, fmt.Sprintf(`["%s","%s"]`, w.price(l.Price), w.size(l.Size)))
	}
	return "[" + strings.Join(texts, ",") + "]"
}

func (w *writer) price(v int64) string { return text(v, w.Price.Scale) }
func (w *writer) size(v int64) string  { return text(v, w.Size.Scale) }

func text(v int64, scale uint8) string {
	s := string(market.AppendDecimal(nil, v, scale))
	if scale == 0 {
		s += "."
	}
	return s + strings.Repeat("0", decimals-int(scale))
}
