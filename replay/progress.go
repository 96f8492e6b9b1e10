package replay

import (
	"fmt"
	"io"
	"strconv"
	"time"
)

// How often progress speaks: a line that is rewritten in place may move, lines in a log should be few.
const (
	liveInterval  = 200 * time.Millisecond
	plainInterval = 5 * time.Second
)

// progress tells how far a replay is. It reads no clock.
type progress struct {
	out    io.Writer // nil: silent
	live   bool      // rewrite one line of a terminal
	events int       // of a round
	loop   bool

	round  int
	done   int
	market int64 // receive time of the last event in nanoseconds
	shown  time.Time
	shownN int // done when shown
}

func (p *progress) begin(now time.Time) {
	p.round++
	p.done, p.shownN, p.shown = 0, 0, now
}

// count notes one more event.
func (p *progress) count(received int64) {
	p.done++
	p.market = received
}

func (p *progress) interval() time.Duration {
	if p.live {
		return liveInterval
	}
	return plainInterval
}

// show writes a line if it is time for one.
func (p *progress) show(now time.Time) {
	if p.out == nil || now.Sub(p.shown) < p.interval() {
		return
	}
	line := p.line(now)
	p.shown, p.shownN = now, p.done
	if p.live {
		fmt.Fprintf(p.out, "\r%s\x1b[K", line)
	} else {
		fmt.Fprintln(p.out, line)
	}
}

// end writes how the round ended.
func (p *progress) end(now time.Time, why string) {
	if p.out == nil {
		return
	}
	head, tail := "", "\n"
	if p.live {
		head, tail = "\r", "\x1b[K\n"
	}
	fmt.Fprintf(p.out, "%s%s  %s%s", head, p.line(now), why, tail)
}

// line is such as " 42%  2024-08-08 23:56:31.120 UTC  1,204 events/s  41,250 of 93,954".
func (p *progress) line(now time.Time) string {
	rate := 0.0
	if d := now.Sub(p.shown).Seconds(); d > 0 {
		rate = float64(p.done-p.shownN) / d
	}
	at := "not begun"
	if p.market != 0 {
		at = time.Unix(0, p.market).UTC().Format("2006-01-02 15:04:05.000") + " UTC"
	}
	round := ""
	if p.loop {
		round = fmt.Sprintf("round %d  ", p.round)
	}
	return fmt.Sprintf("%s%3d%%  %s  %s events/s  %s of %s", round, p.done*100/max(p.events, 1), at, grouped(int(rate)), grouped(p.done), grouped(p.events))
}

// grouped writes n, which is not below 0, with commas between thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
