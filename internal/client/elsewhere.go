package client

import (
	"math/rand/v2"
	"strings"
	"time"

	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Elsewhere decides where and when a client that lost its connection comes back, by what the server said: to the nodes that a
// goaway named, within the time that it asked for; else to where it was told to connect at first, and where that does not
// answer to the nodes that the welcome named, by turns. The zero value knows of no server. It is used by one goroutine at a
// time.
type Elsewhere struct {
	own    string
	goaway *feedv1.GoAway // of the connection that ended; nil: none
	next   []string
	others []string // as the last welcome named them
	turn   int
}

// NewElsewhere returns the choice of a client that was told to connect to own.
func NewElsewhere(own string) *Elsewhere { return &Elsewhere{own: own} }

// Note takes in what a frame says of it.
func (e *Elsewhere) Note(f *feedv1.ServerFrame) {
	if w := f.Welcome; w != nil {
		e.others, e.next, e.goaway, e.turn = e.safe(w.Alternates), nil, nil, 0
	}
	if f.Goaway != nil {
		e.goaway, e.next = f.Goaway, e.safe(f.Goaway.Alternates)
	}
}

// safe leaves out what would give up encryption, or is no WebSocket.
func (e *Elsewhere) safe(urls []string) (safe []string) {
	for _, u := range urls {
		if strings.HasPrefix(u, "wss://") || strings.HasPrefix(u, "ws://") && !strings.HasPrefix(e.own, "wss://") {
			safe = append(safe, u)
		}
	}
	return safe
}

// Next returns where to connect now.
func (e *Elsewhere) Next() string {
	if len(e.next) > 0 {
		u := e.next[0]
		e.next = e.next[1:]
		return u
	}
	e.turn++
	if e.turn%2 == 0 && len(e.others) > 0 {
		return e.others[(e.turn/2-1)%len(e.others)]
	}
	return e.own
}

// Wait returns how long to wait ahead of the next attempt: a random time within what a goaway asked for, once, else between
// the two bounds.
func (e *Elsewhere) Wait(least, most time.Duration) time.Duration {
	if g := e.goaway; g != nil {
		e.goaway = nil
		least = time.Duration(g.ReconnectMinMs) * time.Millisecond
		most = max(least, time.Duration(g.ReconnectMaxMs)*time.Millisecond)
	}
	return least + rand.N(most-least+1)
}
