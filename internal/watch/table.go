package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
)

// Table holds the rows on the screen. Its methods must not run at the same time.
type Table struct {
	colour  bool
	rows    map[string]*row
	order   []string // symbols
	sources map[string]market.Quality
	updates uint64
	missing uint64 // trades lost or never arrived
}

type row struct {
	instrument market.Instrument
	quote      market.Quote
	seen       bool // whether a quote came
	bidMove    int  // sign of the last change
	askMove    int
	last       int64 // price of the last trade
	traded     bool
	lastMove   int
	quality    market.Quality
	trading    market.Trading
}

// NewTable returns an empty table; colour says whether it may use ANSI colours.
func NewTable(colour bool) *Table {
	return &Table{colour: colour, rows: map[string]*row{}, sources: map[string]market.Quality{}}
}

// add gives an instrument a row, which stays from then on.
func (t *Table) add(in market.Instrument) {
	symbol := in.Symbol.String()
	if r := t.rows[symbol]; r != nil {
		r.instrument = in
		return
	}
	t.rows[symbol] = &row{instrument: in}
	at, _ := slices.BinarySearch(t.order, symbol)
	t.order = slices.Insert(t.order, at, symbol)
}

// Apply takes what a frame changed.
func (t *Table) Apply(u *client.Update) {
	for _, in := range u.Instruments {
		t.add(in)
	}
	for _, q := range u.Quotes {
		if r := t.rows[q.Symbol]; r != nil {
			r.bidMove = move(r.bidMove, r.quote.Bid, q.Quote.Bid, r.seen)
			r.askMove = move(r.askMove, r.quote.Ask, q.Quote.Ask, r.seen)
			r.quote, r.seen = q.Quote, true
			t.updates++
		}
	}
	for _, e := range u.Trades {
		r := t.rows[e.Symbol]
		switch {
		case r == nil:
		case e.Kind == client.Traded:
			r.lastMove = move(r.lastMove, r.last, e.Trade.Price, r.traded)
			r.last, r.traded = e.Trade.Price, true
			t.updates++
		case e.Kind != client.Recovered:
			t.missing += uint64(e.To-e.From) + 1
		}
	}
	t.updates += uint64(len(u.Books) + len(u.Bars) + len(u.Stats))
	for _, s := range u.Statuses {
		if r := t.rows[s.Symbol]; r != nil {
			r.quality, r.trading = s.Status.Quality, s.Status.Trading
		}
	}
	for _, s := range u.Sources {
		t.sources[s.Source] = s.Status.Quality
	}
}

// qualityOf is the worse of what is said of an instrument and of its source.
func (t *Table) qualityOf(r *row) market.Quality {
	return max(r.quality, t.sources[r.instrument.Source])
}

// move is the direction of the change from one price to the next, or the one before where none changed.
func move(before int, from, to int64, known bool) int {
	if c := cmp.Compare(to, from); known && c != 0 {
		return c
	}
	return before
}

// Updates returns how many quotes and trades were applied, and how many trades were reported missing.
func (t *Table) Updates() (applied, missing uint64) { return t.updates, t.missing }

// column is one column of the table; the ones with a small rank stay longest when the screen is narrow.
type column struct {
	title string
	rank  int
	left  bool
	text  func(t *Table, r *row, now time.Time) string
	move  func(r *row) int
}

var columns = []column{
	{"symbol", 0, true, func(_ *Table, r *row, _ time.Time) string { return r.instrument.Symbol.String() }, nil},
	{"bid size", 5, false, func(_ *Table, r *row, _ time.Time) string {
		return decimal(r.quote.BidSize, r.instrument.SizeScale, r.quote.Has&market.HasBid != 0)
	}, nil},
	{"bid", 1, false, func(_ *Table, r *row, _ time.Time) string {
		return decimal(r.quote.Bid, r.instrument.PriceScale, r.quote.Has&market.HasBid != 0)
	}, func(r *row) int { return r.bidMove }},
	{"ask", 2, false, func(_ *Table, r *row, _ time.Time) string {
		return decimal(r.quote.Ask, r.instrument.PriceScale, r.quote.Has&market.HasAsk != 0)
	}, func(r *row) int { return r.askMove }},
	{"ask size", 6, false, func(_ *Table, r *row, _ time.Time) string {
		return decimal(r.quote.AskSize, r.instrument.SizeScale, r.quote.Has&market.HasAsk != 0)
	}, nil},
	{"last", 3, false, func(_ *Table, r *row, _ time.Time) string {
		return decimal(r.last, r.instrument.PriceScale, r.traded)
	}, func(r *row) int { return r.lastMove }},
	{"age", 7, false, func(_ *Table, r *row, now time.Time) string { return age(r, now) }, nil},
	{"state", 4, true, func(t *Table, r *row, _ time.Time) string { return state(t.qualityOf(r), r.trading) }, nil},
	{"description", 8, true, func(_ *Table, r *row, _ time.Time) string { return r.instrument.Description }, nil},
}

func decimal(v int64, scale uint8, there bool) string {
	if !there {
		return "–"
	}
	return string(market.AppendDecimal(nil, v, scale))
}

func age(r *row, now time.Time) string {
	if !r.seen {
		return "–"
	}
	switch d := max(0, now.Sub(time.UnixMicro(r.quote.IngestTime))); {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return d.Truncate(time.Second).String()
	default:
		return ">1h"
	}
}

func state(q market.Quality, trading market.Trading) string {
	words := []string{}
	switch q {
	case market.QualitySuspect:
		words = append(words, "suspect")
	case market.QualitySyncing:
		words = append(words, "syncing")
	case market.QualityUnknown, market.QualityOK:
	}
	switch trading {
	case market.TradingHalted:
		words = append(words, "halted")
	case market.TradingAuction:
		words = append(words, "auction")
	case market.TradingPreOpen:
		words = append(words, "pre-open")
	case market.TradingClosed:
		words = append(words, "closed")
	case market.TradingUnknown, market.TradingOpen:
	}
	return strings.Join(words, " ")
}

// Render returns the table as lines of at most width characters, height of them at most: columns and then
// rows that have no room are left out, and the last line says how many rows those are.
func (t *Table) Render(width, height int, now time.Time) []string {
	if width < 1 || height < 1 {
		return nil
	}
	shown := t.order
	if len(shown) > height-1 {
		shown = shown[:max(0, height-2)]
	}
	cells := make([][]string, len(columns))
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = utf8.RuneCountInString(c.title)
		for _, symbol := range shown {
			text := c.text(t, t.rows[symbol], now)
			cells[i] = append(cells[i], text)
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	fit := fitting(widths, width)
	lines := []string{t.line(fit, widths, width, func(i int) (string, int) { return columns[i].title, 0 }, ansiDim)}
	for n, symbol := range shown {
		r := t.rows[symbol]
		style := ""
		if t.qualityOf(r) > market.QualityOK {
			style = ansiDim
		}
		lines = append(lines, t.line(fit, widths, width, func(i int) (string, int) {
			if columns[i].move == nil {
				return cells[i][n], 0
			}
			return cells[i][n], columns[i].move(r)
		}, style))
	}
	if hidden := len(t.order) - len(shown); hidden > 0 && height > 1 {
		lines = append(lines, clip(fmt.Sprintf("… and %d more", hidden), width))
	}
	return lines
}

// gap is the room between two columns; the first half of it carries the arrow of a price.
const gap = 2

// fitting chooses the columns that have room, by rank, and returns them from left to right.
func fitting(widths []int, width int) (fit []int) {
	byRank := make([]int, len(columns))
	for i, c := range columns {
		byRank[c.rank] = i
	}
	room := width
	for n, i := range byRank {
		need := widths[i] + gap
		if n > 0 && need > room {
			break
		}
		room -= need
		fit = append(fit, i)
	}
	slices.Sort(fit)
	return fit
}

// ANSI sequences. Blue and orange tell apart for all eyes, and the arrows need no colour.
const (
	ansiReset = "\x1b[0m"
	ansiDim   = "\x1b[2m"
	ansiUp    = "\x1b[38;5;39m"
	ansiDown  = "\x1b[38;5;208m"
)

func (t *Table) line(fit, widths []int, width int, cell func(column int) (text string, move int), style string) string {
	var b strings.Builder
	used := 0
	for _, i := range fit {
		text, move := cell(i)
		text = clip(text, min(widths[i], width-used))
		pad := strings.Repeat(" ", max(0, min(widths[i], width-used)-utf8.RuneCountInString(text)))
		used += widths[i] + gap
		arrow, colour := " ", style
		switch {
		case move > 0:
			arrow, colour = "▲", style+ansiUp
		case move < 0:
			arrow, colour = "▼", style+ansiDown
		}
		if !columns[i].left {
			text, pad = pad+text, ""
		}
		if used-1 <= width {
			text += arrow
		}
		if t.colour && colour != "" {
			text = colour + text + ansiReset
		}
		b.WriteString(text + pad)
		if used <= width {
			b.WriteByte(' ')
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// clip cuts text to width characters, the last of which then says so. Control characters, which a
// description may hold, would move the cursor and become dots.
func clip(text string, width int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '·'
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width < 1 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}
