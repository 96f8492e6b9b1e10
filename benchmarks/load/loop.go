package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/feedd/feedd/benchmarks/probe"
	"github.com/feedd/feedd/benchmarks/skim"
)

// Loop is the thread that owns all sessions.
type Loop struct {
	// Fixed from Start on.
	cfg         Config
	target      netip.AddrPort
	inFlight    int
	instruments map[string]int
	groups      []*group
	commands    chan func() // run on the loop's thread
	secured     chan secured
	handshakes  sync.WaitGroup
	ended       chan struct{}

	// Everything below belongs to the loop's thread.
	epoll    int
	events   []unix.EpollEvent
	buf      []byte
	sessions []session
	others   *probe.Record // of sessions that decode and are no probes; only its problems matter
	skim     skim.Frame
	inflate  inflater
	controls int64
	stop     bool

	join   // those that are on their way
	grants // those that wait for one
	pace   // those that are read slowly
}

// group is sessions that do the same. Its records and counts belong to the loop's thread.
type group struct {
	Group
	first         int // number of its first session
	quotes, books int // rows that a session has when it is live
	upgrade       []byte
	tls           *tls.Config // nil: none
	hellos        [][]byte    // what each session says first
	record        *probe.Record
	window        GroupWindow
	beats         []int64
	closed        map[string]int
}

// Window is what was received between two calls of Mark.
type Window struct {
	GroupWindow       // of all groups together
	Controls    int64 `json:"controls"`
	// By group.
	Groups []GroupWindow `json:"groups"`
}

// GroupWindow is what one group received.
type GroupWindow struct {
	Name   string `json:"name,omitempty"`
	Frames int64  `json:"frames"`           // with data
	Packed int64  `json:"packed,omitempty"` // of these, those that were compressed
	Bytes  int64  `json:"bytes"`            // as the sockets gave them, WebSocket headers and control frames included
	// Live sessions now, and those that have ended since the start, by how.
	Live   int            `json:"live"`
	Closed map[string]int `json:"closed,omitempty"`
	// Frames of the live sessions that got the fewest and the most.
	FewestFrames uint32 `json:"fewest_frames"`
	MostFrames   uint32 `json:"most_frames"`
	// Beats are the sessions by the place of their cuts within the cadence, in BeatSlices equal slices; nothing
	// at cadence 0. They do not change from window to window.
	Beats  []int64       `json:"beats,omitempty"`
	Probes probe.Figures `json:"probes"`
}

// BeatSlices is into how many slices a cadence is cut to see when sessions get their cuts.
const BeatSlices = 50

// Start begins a loop without sessions. Stop ends it.
func Start(cfg Config) (*Loop, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	target, err := cfg.target()
	if err != nil {
		return nil, err
	}
	l := &Loop{
		cfg: cfg, target: target, inFlight: cfg.InFlight, instruments: make(map[string]int, len(cfg.Symbols)),
		commands: make(chan func()), secured: make(chan secured, 64), ended: make(chan struct{}),
		events: make([]unix.EpollEvent, 512), buf: make([]byte, 64<<10), others: probe.NewRecord(),
	}
	if l.inFlight == 0 {
		l.inFlight = 128 // below any listener's backlog
	}
	for i, symbol := range cfg.Symbols {
		l.instruments[symbol] = i
	}
	if err := l.prepare(); err != nil {
		return nil, err
	}
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	go l.run()
	return l, nil
}

// prepare makes the sessions and all that they will say, so that joining costs this process little.
func (l *Loop) prepare() error {
	for _, cfg := range l.cfg.Groups {
		g := &group{
			Group: cfg, first: len(l.sessions), record: probe.NewRecord(), beats: make([]int64, BeatSlices), closed: make(map[string]int),
		}
		l.groups = append(l.groups, g)
		l.sessions = append(l.sessions, make([]session, g.Sessions)...)
		for i := range g.Sessions {
			l.sessions[g.first+i].group = g
		}
		if g.Speak == Raw {
			continue
		}
		g.upgrade = g.request(l.cfg.Address)
		if g.Trust != "" {
			if err := g.trust(); err != nil {
				return err
			}
		}
		for _, s := range g.subscriptions() {
			n := s.First
			if n == 0 {
				n = g.Choice.PerSession
			}
			if slices.Contains(s.Channels, "quote") {
				g.quotes += n
			}
			if slices.Contains(s.Channels, "book") {
				g.books += n
			}
		}
		for i := range g.Sessions {
			hello, err := l.hello(g.first + i)
			if err != nil {
				return err
			}
			g.hellos = append(g.hellos, hello)
		}
	}
	return nil
}

var errStopped = errors.New("the loop has ended")

// do runs f on the loop's thread and waits for it.
func (l *Loop) do(f func()) error {
	done := make(chan struct{})
	select {
	case l.commands <- func() { f(); close(done) }:
		<-done
		return nil
	case <-l.ended:
		return errStopped
	}
}

// Mark returns what came since the last call and begins anew.
func (l *Loop) Mark() (Window, error) {
	var w Window
	err := l.do(func() {
		l.tally()
		w.Controls, l.controls = l.controls, 0
		for n, g := range l.groups {
			w.Groups = append(w.Groups, g.take())
			w.add(&w.Groups[n], n == 0)
		}
		w.Probes = probe.Sum(l.records())
		for _, g := range l.groups {
			g.record.Reset()
		}
		others := l.others.Figures()
		w.Probes.Problems += others.Problems
		w.Probes.Texts = append(w.Probes.Texts, others.Texts...)
		for i := range l.sessions {
			l.sessions[i].count = 0
		}
	})
	return w, err
}

func (l *Loop) records() []*probe.Record {
	var all []*probe.Record
	for _, g := range l.groups {
		all = append(all, g.record)
	}
	return all
}

// take returns a group's window and begins a new one, but for the record.
func (g *group) take() GroupWindow {
	w := g.window
	w.Name, w.Closed, w.Probes = g.Name, maps.Clone(g.closed), g.record.Figures()
	if g.CadenceMS > 0 {
		w.Beats = slices.Clone(g.beats)
	}
	g.window = GroupWindow{}
	return w
}

// add puts a group into the sum.
func (w *Window) add(g *GroupWindow, first bool) {
	w.Frames += g.Frames
	w.Packed += g.Packed
	w.Bytes += g.Bytes
	w.Live += g.Live
	for why, n := range g.Closed {
		if w.Closed == nil {
			w.Closed = make(map[string]int)
		}
		w.Closed[why] += n
	}
	if first {
		w.FewestFrames, w.Beats = g.FewestFrames, g.Beats
	}
	w.FewestFrames = min(w.FewestFrames, g.FewestFrames)
	w.MostFrames = max(w.MostFrames, g.MostFrames)
}

// tally completes the windows' figures that are not counted as they come.
func (l *Loop) tally() {
	for i := range l.sessions {
		s := &l.sessions[i]
		if s.state != stateLive {
			continue
		}
		w := &s.group.window
		if w.Live++; w.Live == 1 {
			w.FewestFrames = s.count
		}
		w.FewestFrames = min(w.FewestFrames, s.count)
		w.MostFrames = max(w.MostFrames, s.count)
	}
}

// Holds returns the quotes of all probes.
func (l *Loop) Holds() ([]probe.Last, error) {
	return ofProbes(l, func(f follower) []probe.Last {
		if holder, ok := f.(interface{ Holds() []probe.Last }); ok {
			return holder.Holds()
		}
		return nil
	})
}

// Books returns the books of all probes.
func (l *Loop) Books() ([]probe.LastBook, error) {
	return ofProbes(l, func(f follower) []probe.LastBook {
		if holder, ok := f.(interface{ Books() []probe.LastBook }); ok {
			return holder.Books()
		}
		return nil
	})
}

// Verify looks for the rows that probes had in the market.
func (l *Loop) Verify(m probe.Market) (probe.Verdict, error) {
	probes, err := ofProbes(l, func(f follower) []*probe.Probe {
		if d, ok := f.(decoder); ok {
			return []*probe.Probe{d.Probe}
		}
		return nil
	})
	var v probe.Verdict
	if err == nil {
		err = l.do(func() { v = m.Verify(probes) }) // they are the loop's
	}
	return v, err
}

func ofProbes[T any](l *Loop, get func(follower) []T) ([]T, error) {
	var all []T
	err := l.do(func() {
		for _, g := range l.groups {
			for i := range g.Probes {
				all = append(all, get(l.sessions[g.first+i].follow)...)
			}
		}
	})
	return all, err
}

// Stop closes all sockets and returns when the loop has ended.
func (l *Loop) Stop() {
	_ = l.do(func() { l.stop = true })
	<-l.ended
}

// run is the loop's goroutine, started by Start, ended by Stop.
func (l *Loop) run() {
	runtime.LockOSThread()
	defer close(l.ended)
	defer l.closeAll()
	// Commands are looked at between two waits: the timeout is how long one waits in a quiet moment.
	const timeoutMS = 10
	for !l.stop {
		n, err := unix.EpollWait(l.epoll, l.events, timeoutMS)
		if err != nil && !errors.Is(err, unix.EINTR) {
			l.outcome(fmt.Errorf("epoll: %w", err))
			return
		}
		for _, e := range l.events[:max(n, 0)] {
			l.event(int(e.Fd))
		}
		l.takeSecured()
		l.open()
		l.ask()
		l.sip(time.Now())
		select {
		case f := <-l.commands:
			f()
		default:
		}
		if l.cfg.Gather > 0 && l.joining == 0 {
			time.Sleep(time.Duration(l.cfg.Gather) * time.Microsecond)
		}
	}
}

func (l *Loop) closeAll() {
	// Handshakes that are still under way end with their sockets.
	for i := range l.sessions {
		if s := &l.sessions[i]; s.state == stateSecuring {
			_ = unix.Shutdown(s.fd, unix.SHUT_RDWR)
		}
	}
	go func() {
		l.handshakes.Wait()
		close(l.secured)
	}()
	for range l.secured {
		continue
	}
	for i := range l.sessions {
		if s := &l.sessions[i]; s.state != stateNew && s.state != stateClosed {
			_ = unix.Close(s.fd)
		}
	}
	_ = unix.Close(l.epoll)
}
