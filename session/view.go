package session

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// defaultInterval is the length of a bar where the client does not say, in seconds.
const defaultInterval = 60

// checkView says what is wrong with the view that a request asks for; "" for nothing. A view that none of the
// request's channels knows is checked all the same: it is a mistake.
func checkView(m *feedv1.Subscribe) string {
	switch {
	case m.Depth != 0 && (m.Depth > 255 || !slices.Contains(market.Depths[:], uint8(m.Depth))):
		return fmt.Sprintf("depth %d: want one of %s, or 0 for all levels", m.Depth, list(market.Depths[:]))
	case !market.GroupOK(m.PriceGroup):
		return fmt.Sprintf("price_group %d: want 1, 2 or 5 times a power of ten, in units of the price scale, or 0 for levels as they are", m.PriceGroup)
	case m.PriceGroup != 0 && m.Depth == 0:
		return fmt.Sprintf("price_group %d without a depth: want a depth of %s beside it", m.PriceGroup, list(market.Depths[:]))
	case m.BarSeconds != 0 && !slices.Contains(market.Intervals[:], m.BarSeconds):
		return fmt.Sprintf("bar_seconds %d: want one of %s, or 0 for %d", m.BarSeconds, list(market.Intervals[:]), defaultInterval)
	}
	return ""
}

// list writes "1, 5 or 10".
func list[T any](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// viewOf returns the part of a request's view that a channel knows. The request's view must be in order.
func viewOf(ch market.Channel, m *feedv1.Subscribe) market.View {
	switch ch {
	case market.ChannelQuote:
		return market.View{Sizes: millis(sizesOf(m.SizeCadenceMs))}
	case market.ChannelBook:
		return market.View{Depth: uint8(m.Depth), Group: m.PriceGroup}
	case market.ChannelBar:
		if m.BarSeconds == 0 {
			return market.View{Interval: defaultInterval}
		}
		return market.View{Interval: m.BarSeconds}
	case market.ChannelTrade:
		return market.View{Summary: m.TradeSummary}
	}
	return market.View{}
}

// sizesOf is the cadence of changes of sizes alone that so many milliseconds stand for.
func sizesOf(ms uint32) throttle.Cadence {
	c, _ := throttle.Round(time.Duration(ms) * time.Millisecond)
	return c
}
