package main

import (
	"context"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/transport/conns"
)

// engine lets package session have the engine through its own interface: Attach returns that package's
// Subscriber.
type engine struct{ *fanout.Engine }

func (e engine) Attach(c fanout.Conn, f fanout.Framing) session.Subscriber {
	return e.Engine.Attach(c.(conn).Outlet(), f)
}

// anyConn is a connection of any transport.
type anyConn interface {
	fanout.Conn
	Outlet() fanout.Conn
	SendControl(payload []byte) bool
	Drained() bool
	Admitted()
	Close(code uint16, reason string)
	Remote() string
	Transport() string
}

// conn gives a session its connection, with the session's own type of close code.
type conn struct{ anyConn }

func (c conn) Close(code session.CloseCode, reason string) { c.anyConn.Close(uint16(code), reason) }

// eachSession calls f for every session of this moment.
func (s *server) eachSession(f func(*session.Session)) {
	s.sockets.Each(func(h conns.Handler) { f(h.(*session.Session)) })
	s.streams.Each(func(h conns.Handler) { f(h.(*session.Session)) })
}

// Where every session has something new, such as another policy or a slower cadence, the answers of all would keep the
// processors from the cuts for a second or more. So work and pauses take turns. A processor that runs them is looked at for
// a beat that falls due only in the pause, or after 10 ms.
const (
	unhurriedWork  = 500 * time.Microsecond
	unhurriedPause = time.Millisecond
)

// eachUnhurried is eachSession with pauses.
func (s *server) eachUnhurried(f func(*session.Session)) {
	begun := time.Now()
	s.eachSession(func(x *session.Session) {
		f(x)
		if time.Since(begun) > unhurriedWork {
			time.Sleep(unhurriedPause)
			begun = time.Now()
		}
	})
}

// sweepSessions does once a second what is due in sessions, until ctx ends.
func (s *server) sweepSessions(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.eachUnhurried(func(x *session.Session) { x.Tick(now.UnixMicro()) })
		case <-ctx.Done():
			return nil
		}
	}
}

// lookEvery is the time between two looks at the directory: new instruments join as late as that.
const lookEvery = 200 * time.Millisecond

// watchDirectory tells sessions what is new in the directory and the lists, until ctx ends.
func (s *server) watchDirectory(ctx context.Context) error {
	w := session.NewWatcher(s.sessions)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	look := func() { w.Look(s.eachUnhurried) }
	before := s.sessions.Policy.Policy()
	for {
		select {
		case <-tick.C:
			if now := s.sessions.Policy.Policy(); now != before {
				before = now
				s.tracePolicy(now.Revision, look)
				continue
			}
			look()
		case <-ctx.Done():
			return nil
		}
	}
}
