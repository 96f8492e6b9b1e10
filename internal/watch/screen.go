package watch

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
)

// Screen is a View that repaints a terminal, which it owns from NewScreen to Close.
type Screen struct {
	out  io.Writer
	size func() (width, height int)
	url  string
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	table   *Table
	known   map[string]market.Instrument
	ladder  Ladder
	candles Candles
	state   string // what the connection does
	refused []string
	rate    rate
}

// repaintEvery is how often the screen is painted: as fast as numbers can be read.
const repaintEvery = 100 * time.Millisecond

const (
	ansiEnter = "\x1b[?1049h\x1b[?25l" // the other screen, no cursor
	ansiLeave = "\x1b[?25h\x1b[?1049l"
	ansiHome  = "\x1b[H"
	ansiEOL   = "\x1b[K\r\n" // clear the rest of the line
	ansiBelow = "\x1b[J"     // clear the rest of the screen
)

// NewScreen takes over the terminal behind out and starts to paint it.
func NewScreen(out io.Writer, url string, size func() (width, height int)) *Screen {
	s := &Screen{
		out: out, size: size, url: url, stop: make(chan struct{}), done: make(chan struct{}),
		table: NewTable(true), known: map[string]market.Instrument{}, state: "connecting",
	}
	_, _ = io.WriteString(out, ansiEnter)
	go s.paint()
	return s
}

// Close gives the terminal back.
func (s *Screen) Close() {
	close(s.stop)
	<-s.done
	_, _ = io.WriteString(s.out, ansiLeave)
}

// Updated implements View.
func (s *Screen) Updated(u *client.Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range u.Instruments {
		s.known[in.Symbol.String()] = in
	}
	s.table.Apply(u)
	s.ladder.Apply(u, s.known)
	s.candles.Apply(u, s.known)
}

// Connected implements View.
func (s *Screen) Connected(granted time.Duration, refused []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.refused = "live, updates "+CadenceText(granted), refused
}

// Lost implements View.
func (s *Screen) Lost(err error, retry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = fmt.Sprintf("not connected: %v; trying again in %v", err, retry.Round(100*time.Millisecond))
}

// CadenceText says how often updates come.
func CadenceText(c time.Duration) string {
	if c == 0 {
		return "at once"
	}
	return "every " + c.String()
}

func (s *Screen) paint() {
	defer close(s.done)
	tick := time.NewTicker(repaintEvery)
	defer tick.Stop()
	for {
		width, height := s.size()
		s.mu.Lock()
		lines := s.lines(width, height, time.Now())
		s.mu.Unlock()
		_, _ = io.WriteString(s.out, ansiHome+strings.Join(lines, ansiEOL)+"\x1b[K"+ansiBelow)
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
	}
}

// lines is the whole screen: what the connection does, the table, what was refused, and a line of help.
func (s *Screen) lines(width, height int, now time.Time) []string {
	updates, missing := s.table.Updates()
	head := fmt.Sprintf("%s  %s  %d updates/s", s.url, s.state, s.rate.of(updates, now))
	if missing > 0 {
		head += fmt.Sprintf("  %d trades missing", missing)
	}
	lines := []string{clip(head, width), ""}
	var tail []string
	for _, r := range s.refused {
		tail = append(tail, clip("refused: "+r, width))
	}
	tail = append(tail, clip("q quits", width))
	if room := height - len(lines) - len(tail); room > 2 {
		lines = append(lines, s.body(width, room-1, now)...)
		lines = append(lines, "")
	}
	lines = append(lines, tail...)
	return lines[:min(len(lines), max(height, 0))]
}

// body is the table, and below it the book and the bars, where such come: each gets a share of the room.
func (s *Screen) body(width, height int, now time.Time) (lines []string) {
	parts := 1
	for _, there := range []bool{s.ladder.symbol != "", s.candles.symbol != ""} {
		if there {
			parts++
		}
	}
	lines = s.table.Render(width, height/parts, now)
	for _, render := range []func(width, height int) []string{s.ladder.Render, s.candles.Render} {
		if parts == 1 {
			break
		}
		room := (height - len(lines)) / (parts - 1)
		if more := render(width, room-1); len(more) > 0 {
			lines = append(append(lines, ""), more...)
			parts--
		}
	}
	return lines
}

// rate counts per second over the last full second.
type rate struct {
	since   time.Time
	count   uint64
	perSec  uint64
	started bool
}

func (r *rate) of(count uint64, now time.Time) uint64 {
	elapsed := now.Sub(r.since)
	switch {
	case !r.started:
		r.since, r.count, r.started = now, count, true
	case elapsed >= time.Second:
		r.perSec = uint64(float64(count-r.count) / elapsed.Seconds())
		r.since, r.count = now, count
	}
	return r.perSec
}
