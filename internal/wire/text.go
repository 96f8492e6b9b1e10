package wire

import (
	"strconv"
	"time"

	"github.com/feedd/feedd/market"
)

// TextFrame collects the rows of one frame of the JSON subprotocol: the proto3 JSON of a ServerFrame,
// with rows whole and readable. Rows of one kind must stand together in JSON, so each kind has a buffer.
// The zero value is an empty frame; Reset makes it one again and keeps the buffers.
type TextFrame struct {
	lists [textLists][]byte
}

const (
	textQuotes = iota
	textTrades
	textBooks
	textStatuses
	textSources
	textLosses
	textGaps
	textBars
	textStats
	textSummaries
	textLists
)

var textNames = [textLists]string{
	textQuotes: "quoteTexts", textTrades: "tradeTexts", textBooks: "bookTexts", textStatuses: "statuses", textSources: "sourceStatuses",
	textLosses: "losses", textGaps: "gaps", textBars: "barTexts", textStats: "statsTexts",
	textSummaries: "tradeSummaryTexts",
}

// Reset empties the frame.
func (f *TextFrame) Reset() {
	for i := range f.lists {
		f.lists[i] = f.lists[i][:0]
	}
}

// Len is the number of bytes that the rows take so far.
func (f *TextFrame) Len() (n int) {
	for i := range f.lists {
		n += len(f.lists[i])
	}
	return n
}

// TextMark is how full a frame was.
type TextMark [textLists]int

// Mark remembers how full the frame is, for Undo.
func (f *TextFrame) Mark() (m TextMark) {
	for i := range f.lists {
		m[i] = len(f.lists[i])
	}
	return m
}

// Undo takes back what was added since m.
func (f *TextFrame) Undo(m TextMark) {
	for i := range f.lists {
		f.lists[i] = f.lists[i][:m[i]]
	}
}

// Append appends the frame as JSON text.
func (f *TextFrame) Append(dst []byte, h Header) []byte {
	dst = append(dst, '{')
	for i, list := range f.lists {
		if len(list) == 0 {
			continue
		}
		dst = append(dst, '"')
		dst = append(dst, textNames[i]...)
		dst = append(dst, `":[`...)
		dst = append(dst, list[1:]...) // without the comma ahead of the first row
		dst = append(dst, "],"...)
	}
	dst = append(dst, `"cutTimeUs":"`...)
	dst = strconv.AppendInt(dst, h.CutTime, 10)
	dst = append(dst, '"')
	if h.Conflated != 0 {
		dst = append(dst, `,"conflated":`...)
		dst = strconv.AppendUint(dst, min(h.Conflated, 1<<32-1), 10)
	}
	if h.Partial {
		dst = append(dst, `,"partial":true`...)
	}
	if h.Delay != 0 {
		dst = append(dst, `,"delayMs":`...)
		dst = strconv.AppendUint(dst, uint64(h.Delay), 10)
	}
	return append(dst, '}')
}

// Quote adds q as a QuoteText.
func (f *TextFrame) Quote(in *market.Instrument, q *market.Quote) {
	o := object{append(f.lists[textQuotes], ',', '{')}
	o.text("symbol", in.Symbol.Venue, ":", in.Symbol.Name)
	if q.Has&market.HasBid != 0 {
		o.decimal("bid", q.Bid, in.PriceScale)
		o.decimal("bidSize", q.BidSize, in.SizeScale)
	}
	if q.Has&market.HasAsk != 0 {
		o.decimal("ask", q.Ask, in.PriceScale)
		o.decimal("askSize", q.AskSize, in.SizeScale)
	}
	if q.Has&market.HasExchangeTime != 0 {
		o.time("exchangeTime", q.ExchangeTime)
	}
	o.time("ingestTime", q.IngestTime)
	o.position(q.Position)
	f.lists[textQuotes] = o.close()
}

// Trade adds t as a TradeText.
func (f *TextFrame) Trade(in *market.Instrument, t *market.Trade) {
	o := object{append(f.lists[textTrades], ',', '{')}
	o.text("symbol", in.Symbol.Venue, ":", in.Symbol.Name)
	o.decimal("price", t.Price, in.PriceScale)
	o.decimal("size", t.Size, in.SizeScale)
	o.text("aggressor", t.Aggressor.String())
	o.time("exchangeTime", t.ExchangeTime)
	o.time("ingestTime", t.IngestTime)
	o.number64("id", t.ID)
	o.position(t.Position)
	o.text("kind", t.Kind.String())
	o.number64("refersTo", uint64(t.RefersTo))
	f.lists[textTrades] = o.close()
}

// Status adds an instrument's status.
func (f *TextFrame) Status(h market.Handle, s *market.Status) {
	o := object{append(f.lists[textStatuses], ',', '{')}
	o.number("handle", uint64(h))
	o.text("stream", streamNames[s.Stream])
	o.text("quality", qualityNames[s.Quality])
	o.text("trading", tradingNames[s.Trading])
	o.text("reason", s.Reason)
	if s.Since != 0 {
		o.number64("sinceUs", uint64(s.Since))
	}
	f.lists[textStatuses] = o.close()
}

// SourceStatus adds a source's status.
func (f *TextFrame) SourceStatus(source string, s *market.Status) {
	o := object{append(f.lists[textSources], ',', '{')}
	o.text("source", source)
	o.text("stream", streamNames[s.Stream])
	o.text("quality", qualityNames[s.Quality])
	o.text("reason", s.Reason)
	f.lists[textSources] = o.close()
}

// Lost adds a run of events that this reader does not get.
func (f *TextFrame) Lost(h market.Handle, r Range) { f.run(textLosses, h, r) }

// Gap adds a run of events that never reached feedd.
func (f *TextFrame) Gap(h market.Handle, r Range) { f.run(textGaps, h, r) }

func (f *TextFrame) run(list int, h market.Handle, r Range) {
	o := object{append(f.lists[list], ',', '{')}
	o.number("handle", uint64(h))
	o.number64("from", uint64(r.From))
	o.number64("to", uint64(r.To))
	o.number64("epoch", uint64(r.Epoch))
	f.lists[list] = o.close()
}

// AppendTextHeartbeat appends a heartbeat as a frame of the JSON subprotocol.
func AppendTextHeartbeat(dst []byte, now int64) []byte {
	dst = append(dst, `{"heartbeat":{"serverTimeUs":"`...)
	dst = strconv.AppendInt(dst, now, 10)
	return append(dst, `"}}`...)
}

// Names that proto3 JSON gives to enum values; the unspecified value is left out.
var (
	streamNames = [...]string{
		market.StreamOpen: "STREAM_OPEN", market.StreamClosed: "STREAM_CLOSED", market.StreamClosedRetry: "STREAM_CLOSED_RETRY",
	}
	qualityNames = [...]string{
		market.QualityOK: "QUALITY_OK", market.QualitySuspect: "QUALITY_SUSPECT", market.QualitySyncing: "QUALITY_SYNCING",
	}
	tradingNames = [...]string{
		market.TradingOpen: "TRADING_OPEN", market.TradingHalted: "TRADING_HALTED", market.TradingAuction: "TRADING_AUCTION",
		market.TradingPreOpen: "TRADING_PRE_OPEN", market.TradingClosed: "TRADING_CLOSED",
	}
)

// object appends the members of one JSON object, leaving out what is empty as proto3 JSON does.
type object struct{ b []byte }

func (o *object) close() []byte { return append(o.b, '}') }

func (o *object) name(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

func (o *object) text(name string, parts ...string) {
	if len(parts) == 1 && parts[0] == "" {
		return
	}
	o.name(name)
	o.b = append(o.b, '"')
	for _, p := range parts {
		o.b = appendEscaped(o.b, p)
	}
	o.b = append(o.b, '"')
}

func (o *object) decimal(name string, v int64, scale uint8) {
	o.name(name)
	o.b = append(o.b, '"')
	o.b = market.AppendDecimal(o.b, v, scale)
	o.b = append(o.b, '"')
}

func (o *object) time(name string, us int64) {
	if us == 0 {
		return
	}
	o.name(name)
	o.b = append(o.b, '"')
	o.b = time.UnixMicro(us).UTC().AppendFormat(o.b, "2006-01-02T15:04:05.000000Z")
	o.b = append(o.b, '"')
}

// number appends a 32-bit number, number64 one that JSON must carry as a string.
func (o *object) number(name string, v uint64) {
	if v != 0 {
		o.name(name)
		o.b = strconv.AppendUint(o.b, v, 10)
	}
}

func (o *object) number64(name string, v uint64) {
	if v != 0 {
		o.name(name)
		o.b = append(o.b, '"')
		o.b = strconv.AppendUint(o.b, v, 10)
		o.b = append(o.b, '"')
	}
}

func (o *object) position(p market.Position) {
	o.number64("sequence", uint64(p.Sequence))
	o.number64("epoch", uint64(p.Epoch))
}

// appendEscaped appends s as the inside of a JSON string. Symbols and reasons are valid UTF-8 by the time
// they are stored.
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
