package watch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
)

// Candles shows the last bars of one instrument, the newest first. It is for the first instrument whose bars come.
type Candles struct {
	symbol     string
	seconds    uint32
	instrument market.Instrument
	bars       []client.Bar // oldest first, at most shownBars
}

// shownBars bounds the bars that are kept: no screen is higher.
const shownBars = 100

// Apply takes what a frame changed.
func (c *Candles) Apply(u *client.Update, instruments map[string]market.Instrument) {
	for _, r := range u.Bars {
		if c.symbol == "" {
			c.symbol, c.seconds = r.Symbol, r.Seconds
		}
		if r.Symbol != c.symbol || r.Seconds != c.seconds {
			continue
		}
		c.instrument = instruments[r.Symbol]
		at, found := slices.BinarySearchFunc(c.bars, r.Bar.Start, func(b client.Bar, start int64) int { return int(b.Start - start) })
		switch {
		case r.Void && found:
			c.bars = slices.Delete(c.bars, at, at+1)
		case r.Void:
		case found:
			c.bars[at] = r.Bar
		default:
			c.bars = slices.Insert(c.bars, at, r.Bar)
		}
		if extra := len(c.bars) - shownBars; extra > 0 {
			c.bars = slices.Delete(c.bars, 0, extra)
		}
	}
}

// Render returns at most height lines of at most width characters; none ahead of the first bar.
func (c *Candles) Render(width, height int) []string {
	if c.symbol == "" || width < 1 || height < 2 {
		return nil
	}
	rows := [][]string{{"start", "open", "high", "low", "close", "volume", "trades"}}
	price := func(v int64) string { return decimal(v, c.instrument.PriceScale, true) }
	for i := len(c.bars) - 1; i >= 0 && len(rows) < height-1; i-- {
		b := &c.bars[i]
		start := time.Unix(b.Start, 0).UTC().Format("2006-01-02 15:04:05")
		if !b.Closed {
			start += " …"
		}
		rows = append(rows, []string{
			start, price(b.Open), price(b.High), price(b.Low), price(b.Close), decimal(b.Volume, c.instrument.SizeScale, true), fmt.Sprint(b.Trades),
		})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	lines := []string{clip(fmt.Sprintf("%s  bars of %v, UTC", c.symbol, time.Duration(c.seconds)*time.Second), width)}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i == 0 {
				fmt.Fprintf(&line, "%-*s", widths[i], cell)
			} else {
				fmt.Fprintf(&line, "  %*s", widths[i], cell)
			}
		}
		lines = append(lines, clip(line.String(), width))
	}
	return lines
}
