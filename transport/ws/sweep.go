package ws

import (
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outbox"
	"github.com/feedd/feedd/transport/conns"
)

// pulse is what the sweeper knows of one connection's life. Times are microseconds on the server's clock.
type pulse struct {
	next   int64 // when the next ping is due
	pinged int64 // when the ping was sent that nothing has answered yet; 0: none
	due    int64 // until when something must come, while pinged is not 0
}

// act is what the sweeper does about a connection.
type act uint8

const (
	rest act = iota
	ping
	giveUp
)

// first sets the first ping at random in the second half of an interval, so that clients who came together
// are not pinged together.
func (p *pulse) first(now int64, interval time.Duration) {
	half := interval.Microseconds() / 2
	p.next = now + half + rand.Int64N(half+1)
}

// check decides at now. Anything heard from the client after the ping is as good as a pong. While bytes are
// waiting for the client (blocked) its ping, or its next one, would wait behind them: it is slow, and the
// write timeout decides whether it is gone.
func (p *pulse) check(now, heard int64, blocked bool, wait time.Duration) act {
	switch {
	case p.pinged != 0 && heard > p.pinged:
		p.pinged = 0
	case p.pinged != 0 && blocked:
		p.due = now + wait.Microseconds()
	case p.pinged != 0 && now >= p.due:
		return giveUp
	}
	if p.pinged == 0 && now >= p.next && !blocked {
		return ping
	}
	return rest
}

// sent notes that a ping went out.
func (p *pulse) sent(now int64, interval, wait time.Duration) {
	p.next, p.pinged, p.due = now+interval.Microseconds(), now, now+wait.Microseconds()
}

// sweepEvery is how often the sweeper, one goroutine for all connections, looks at the pulses.
func (s *Server) sweepEvery() time.Duration {
	return max(time.Millisecond, min(time.Second, s.opt.PongWait/4))
}

// pulses pings the connections that are due and gives up those that are silent.
func (s *Server) pulses(now int64) {
	const aFew = 64
	for i, c := range s.conns.All() {
		if i%aFew == aFew-1 {
			runtime.Gosched() // or the processor is taken away in the middle of one, whose lock others then wait for
		}
		if c.vanished(now) {
			continue
		}
		switch c.beat.check(now, c.heard.Load(), c.out.Blocked(), s.opt.PongWait) {
		case ping:
			if c.Send(pingFrame[:]) {
				c.beat.sent(now, s.opt.PingInterval, s.opt.PongWait)
			}
		case giveUp:
			if c.ending.Claim(conns.CodeNoPong) {
				s.opt.Drops.Add(drop.PongTimeout, 1)
				c.farewell(conns.CodeNoPong, "no answer to a ping")
			}
		case rest:
		}
	}
}

// A peer is given up when it has acknowledged nothing for goneAfter. With heartbeats every 5 s something is always under way,
// so that one that vanished is noticed within 20 s, where pings alone take up to 45 s.
const (
	goneAfter = 14 * time.Second
	lookEvery = 2 * time.Second // at whether it is, which is a call of the kernel
)

// vanished gives a connection up whose peer has vanished. It is the sweeper's.
func (c *Conn) vanished(now int64) bool {
	socket, ok := c.out.(*outbox.Conn)
	if !ok || now-c.looked < lookEvery.Microseconds() {
		return false
	}
	c.looked = now
	if !socket.Gone(goneAfter) {
		return false
	}
	if c.ending.Claim(conns.CodeNoProgress) {
		c.srv.opt.Drops.Add(drop.WriteTimeout, 1)
		c.farewell(conns.CodeNoProgress, "nothing was acknowledged")
	}
	return true
}

var pingFrame = [...]byte{framePing, 0}
