package tick

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// Scales are the decimals in which the numbers of a JSON tick are wanted.
type Scales struct{ Price, Size uint8 }

// The keys of a JSON tick, in the order in which errors list them. A slice of each ends with numbering.
var (
	numbering = []string{"epoch", "sequence"}
	keys      = map[market.Channel][]string{
		market.ChannelQuote:  append([]string{"bid", "bidSize", "ask", "askSize", "exchangeTime"}, numbering...),
		market.ChannelTrade:  append([]string{"price", "size", "side", "id", "kind", "refersTo", "exchangeTime"}, numbering...),
		market.ChannelStatus: append([]string{"trading", "reason", "exchangeTime"}, numbering...),
		market.ChannelDefinition: append([]string{"priceScale", "sizeScale", "priceStep", "sizeStep", "description", "base", "quote",
			"source", "assetClass", "sessionStart", "timeZone", "delisted"}, numbering...),
		market.ChannelBook: append([]string{"snapshot", "bids", "asks", "exchangeTime"}, numbering...),
		market.ChannelStats: append([]string{"previousClose", "settlement", "mark", "index", "openInterest", "fundingRate", "exchangeTime"},
			numbering...),
	}
)

// ReadJSON fills b with the one tick that payload holds as a JSON object. Numbers are decimal text, in
// quotes or not, and are read without ever being rounded. The error is a *Refusal; b holds nothing of use
// then, but after a drop.ScaleLoss the numbering and a tick without its values.
func (b *Batch) ReadJSON(payload []byte, ch market.Channel, scales Scales) error {
	b.Reset()
	allowed := keys[ch]
	if allowed == nil {
		return refuse(drop.MalformedJSON, "%s ticks have no JSON form: send a marketdata.v1.TickBatch", ch)
	}
	o := object{}
	if err := json.Unmarshal(payload, &o.fields); err != nil {
		return refuse(drop.MalformedJSON, "not a JSON object: %v", err)
	}
	for key := range o.fields {
		if !slices.Contains(allowed, key) {
			return refuse(drop.MalformedJSON, "unknown key %q in a %s: allowed are %s", key, ch, strings.Join(allowed, ", "))
		}
	}
	b.Epoch, b.Sequence = o.uint("epoch"), o.uint("sequence")
	switch ch {
	case market.ChannelQuote:
		b.Quotes = append(b.Quotes, o.quote(scales))
	case market.ChannelTrade:
		b.Trades = append(b.Trades, o.trade(scales))
	case market.ChannelStatus:
		b.Statuses = append(b.Statuses, o.status())
	case market.ChannelDefinition:
		b.Definitions = append(b.Definitions, o.definition())
	case market.ChannelBook:
		b.Books = append(b.Books, o.book(b, scales))
	case market.ChannelStats:
		b.Statistics = append(b.Statistics, o.statistics(scales))
	}
	if o.err != nil {
		return o.err
	}
	return nil
}

func refuse(r drop.Reason, format string, args ...any) *Refusal {
	return &Refusal{r, fmt.Sprintf(format, args...)}
}

// object reads the fields of a JSON object one by one. The first failure sticks; a key that is absent or
// null reads as zero.
type object struct {
	fields map[string]json.RawMessage
	err    *Refusal
}

func (o *object) fail(r drop.Reason, key, format string, args ...any) {
	if o.err == nil {
		o.err = refuse(r, "%q: %s", key, fmt.Sprintf(format, args...))
	}
}

// raw returns the text of a value, without quotes where it has them.
func (o *object) raw(key string) (value string, quoted, present bool) {
	return o.unquote(key, o.fields[key])
}

func (o *object) unquote(key string, v json.RawMessage) (value string, quoted, present bool) {
	if len(v) == 0 || string(v) == "null" {
		return "", false, false
	}
	if v[0] != '"' {
		return string(v), false, true
	}
	if err := json.Unmarshal(v, &value); err != nil {
		o.fail(drop.MalformedJSON, key, "%v", err)
	}
	return value, true, true
}

func (o *object) decimal(key string, scale uint8) (v int64, present bool) {
	return o.decimalOf(key, o.fields[key], scale)
}

func (o *object) decimalOf(key string, raw json.RawMessage, scale uint8) (v int64, present bool) {
	value, _, present := o.unquote(key, raw)
	if !present {
		return 0, false
	}
	v, err := market.ParseDecimal(value, scale)
	switch {
	case err == nil:
	case isDecimal(value):
		o.fail(drop.ScaleLoss, key, "%v", err)
	default:
		o.fail(drop.MalformedJSON, key, `%v; want a decimal such as "61837.63"`, err)
	}
	return v, true
}

// isDecimal reports whether text is a decimal number, whatever its size.
func isDecimal(text string) bool {
	whole, frac, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	digits := whole + frac
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

func (o *object) uint(key string) uint64 {
	value, _, present := o.raw(key)
	if !present {
		return 0
	}
	v, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		o.fail(drop.MalformedJSON, key, "%s is not a whole number from 0 to 2^64-1", o.fields[key])
	}
	return v
}

func (o *object) text(key string) string {
	value, quoted, present := o.raw(key)
	if present && !quoted {
		o.fail(drop.MalformedJSON, key, "%s is not a string", value)
	}
	return value
}

// exchangeTime reads a time: RFC 3339 text, or a number of microseconds since the Unix epoch.
func (o *object) exchangeTime() int64 {
	const key = "exchangeTime"
	value, quoted, present := o.raw(key)
	if !present {
		return 0
	}
	if quoted {
		t, err := time.Parse(time.RFC3339, value)
		if err != nil {
			o.fail(drop.MalformedJSON, key, `%q is no time: want RFC 3339 such as "2026-08-08T23:59:59.123456Z", or a number of microseconds`, value)
			return 0
		}
		return t.UnixMicro()
	}
	v, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		o.fail(drop.MalformedJSON, key, "%s is no time: want a whole number of microseconds since the Unix epoch, or RFC 3339 in quotes", value)
	}
	return v
}

// word reads one of the words that stand for 0, 1, 2 and so on; the empty word needs no mention.
func (o *object) word(key string, words ...string) uint8 {
	value := o.text(key)
	i := slices.Index(words, value)
	if i < 0 {
		var want []string
		for _, w := range words {
			if w != "" {
				want = append(want, w)
			}
		}
		o.fail(drop.MalformedJSON, key, "unknown word %q: want %s", value, strings.Join(want, ", "))
		return 0
	}
	return uint8(i)
}

func (o *object) quote(s Scales) market.Quote {
	var q market.Quote
	var bid, ask bool
	q.Bid, bid = o.decimal("bid", s.Price)
	q.BidSize, _ = o.decimal("bidSize", s.Size)
	q.Ask, ask = o.decimal("ask", s.Price)
	q.AskSize, _ = o.decimal("askSize", s.Size)
	if bid {
		q.Has |= market.HasBid
	}
	if ask {
		q.Has |= market.HasAsk
	}
	if q.ExchangeTime = o.exchangeTime(); q.ExchangeTime != 0 {
		q.Has |= market.HasExchangeTime
	}
	return q
}

func (o *object) trade(s Scales) market.Trade {
	t := market.Trade{
		Aggressor:    market.Side(o.word("side", "", "buy", "sell")),
		ID:           o.uint("id"),
		Kind:         market.TradeKind(o.word("kind", "", "correction", "cancellation")),
		RefersTo:     market.Sequence(o.uint("refersTo")),
		ExchangeTime: o.exchangeTime(),
	}
	var present bool
	if t.Price, present = o.decimal("price", s.Price); !present {
		o.fail(drop.MalformedJSON, "price", "missing")
	}
	if t.Size, present = o.decimal("size", s.Size); !present {
		o.fail(drop.MalformedJSON, "size", "missing")
	}
	return t
}

func (o *object) status() Status {
	return Status{
		Trading:      market.Trading(o.word("trading", "", "open", "halted", "auction", "preOpen", "closed")),
		Reason:       o.text("reason"),
		ExchangeTime: o.exchangeTime(),
	}
}

func (o *object) definition() Definition {
	d := Definition{
		PriceScale: o.scale("priceScale"), SizeScale: o.scale("sizeScale"),
		Description: o.text("description"), Base: o.text("base"), Quote: o.text("quote"), Source: o.text("source"),
	}
	// Steps are decimal text at the scale just read.
	if o.err == nil {
		d.PriceStep, _ = o.decimal("priceStep", uint8(d.PriceScale))
		d.SizeStep, _ = o.decimal("sizeStep", uint8(d.SizeScale))
	}
	d.Asset = market.AssetClass(o.word("assetClass", assetWords...))
	if start := o.uint("sessionStart"); start < secondsPerDay {
		d.SessionStart = int32(start)
	} else {
		o.fail(drop.BadValue, "sessionStart", "%d: want seconds after 00:00, 0 to %d", start, secondsPerDay-1)
	}
	d.TimeZone = o.text("timeZone")
	d.Delisted = o.bool("delisted")
	return d
}

const secondsPerDay = 24 * 60 * 60

var assetWords = func() (words []string) {
	for a := market.AssetUnknown; a <= market.AssetBond; a++ {
		words = append(words, a.String())
	}
	return words
}()

func (o *object) bool(key string) bool {
	value, _, _ := o.raw(key)
	switch value {
	case "", "false":
	case "true":
		return true
	default:
		o.fail(drop.MalformedJSON, key, "%s is neither true nor false", value)
	}
	return false
}
