package watch

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
)

// Ladder shows the book of one instrument, best levels first, bids on the left and asks on the right. It is for the
// first instrument whose book comes.
type Ladder struct {
	symbol     string
	instrument market.Instrument
	bids, asks []market.Level
}

// shownLevels bounds what is kept of a book, which may be whole: no screen is higher.
const shownLevels = 100

// Apply takes what a frame changed.
func (l *Ladder) Apply(u *client.Update, instruments map[string]market.Instrument) {
	for _, b := range u.Books {
		if l.symbol == "" {
			l.symbol = b.Symbol
		}
		if b.Symbol != l.symbol || b.Book == nil {
			continue
		}
		l.instrument = instruments[b.Symbol]
		l.bids, l.asks = nearest(b.Book.Bids()), nearest(b.Book.Asks())
	}
}

func nearest(levels []market.Level) []market.Level {
	return slices.Clone(levels[:min(len(levels), shownLevels)])
}

// Render returns at most height lines of at most width characters; none ahead of the first book.
func (l *Ladder) Render(width, height int) []string {
	if l.symbol == "" || width < 1 || height < 2 {
		return nil
	}
	rows := min(height-1, max(len(l.bids), len(l.asks)))
	most, widths := int64(1), [2]int{}
	text := func(side []market.Level, i int) (cells [2]string, size int64) {
		if i >= len(side) {
			return cells, 0
		}
		return [2]string{decimal(side[i].Price, l.instrument.PriceScale, true), decimal(side[i].Size, l.instrument.SizeScale, true)}, side[i].Size
	}
	for i := range rows {
		for _, side := range [2][]market.Level{l.bids, l.asks} {
			cells, size := text(side, i)
			most = max(most, size)
			for c := range widths {
				widths[c] = max(widths[c], utf8.RuneCountInString(cells[c]))
			}
		}
	}
	// What is left beside the numbers shows how large the levels are.
	room := max(0, (width-3-2*(widths[0]+widths[1]+2))/2)
	room = min(room, 30)
	lines := []string{clip(fmt.Sprintf("%s  book, %d bids and %d asks shown", l.symbol, len(l.bids), len(l.asks)), width)}
	for i := range rows {
		bid, bidSize := text(l.bids, i)
		ask, askSize := text(l.asks, i)
		line := fmt.Sprintf("%s %*s %*s │ %-*s %-*s %s", padLeft(block(bidSize, most, room), room),
			widths[1], bid[1], widths[0], bid[0], widths[0], ask[0], widths[1], ask[1], block(askSize, most, room))
		lines = append(lines, clip(strings.TrimRight(line, " "), width))
	}
	return lines
}

// block is a bar as long as size is large.
func block(size, most int64, room int) string {
	if room == 0 {
		return ""
	}
	unit := max(1, most/int64(room)) // of which no more than room fit, but for what division cuts off
	return strings.Repeat("█", int(min(size/unit, int64(room))))
}

func padLeft(text string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text))) + text
}
