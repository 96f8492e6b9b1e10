package load

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/feedd/feedd/benchmarks/probe"
)

// Loop is the thread that owns all sessions.
type Loop struct {
	// Fixed from Start on.
	cfg         Config
	target      netip.AddrPort
	instruments map[string]int
	commands    chan func() // run on the loop's thread
	ended       chan struct{}

	// Everything below belongs to the loop's thread.
	epoll    int
	events   []unix.EpollEvent
	buf      []byte
	sessions []session
	record   *probe.Record // of the probes
	others   *probe.Record // of all others, as long as they decode; only its problems matter
	opened   int           // sessions that have begun to connect
	joining  int           // of those, neither live nor closed
	live     int
	stop     bool
	window   Window
	beats    []int64
	joined   chan error // gets the outcome of Connect; nil when nobody waits
}

// Window is what was received between two calls of Mark.
type Window struct {
	Frames   int64 `json:"frames"` // with data
	Bytes    int64 `json:"bytes"`  // as the sockets gave them, WebSocket headers and control frames included
	Controls int64 `json:"controls"`
	// Live sessions now, and those that have ended since the start, by how.
	Live   int            `json:"live"`
	Closed map[string]int `json:"closed,omitempty"`
	// Frames of the sessions that got the fewest and the most.
	FewestFrames uint32 `json:"fewest_frames"`
	MostFrames   uint32 `json:"most_frames"`
	// Beats are the sessions by the place of their cuts within the cadence, in BeatSlices equal slices; nothing
	// at cadence 0. They do not change from window to window.
	Beats  []int64       `json:"beats,omitempty"`
	Probes probe.Figures `json:"probes"`
}

// BeatSlices is into how many slices a cadence is cut to see when sessions get their cuts.
const BeatSlices = 50

// inFlight bounds how many sessions connect at once, below any listener's backlog.
const inFlight = 128

// Start begins a loop without sessions. Stop ends it.
func Start(cfg Config) (*Loop, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	target, err := cfg.target()
	if err != nil {
		return nil, err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	l := &Loop{
		cfg: cfg, target: target, instruments: make(map[string]int, len(cfg.Symbols)),
		commands: make(chan func()), ended: make(chan struct{}),
		epoll: epoll, events: make([]unix.EpollEvent, 512), buf: make([]byte, 64<<10),
		sessions: make([]session, cfg.Sessions), record: probe.NewRecord(), others: probe.NewRecord(), beats: make([]int64, BeatSlices),
	}
	for i, symbol := range cfg.Symbols {
		l.instruments[symbol] = i
	}
	l.reset()
	go l.run()
	return l, nil
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

// Connect brings all sessions up and returns when each has a row of every instrument that it subscribed
// to, or with an error when one fails or patience is over.
func (l *Loop) Connect(patience time.Duration) error {
	joined := make(chan error, 1)
	if err := l.do(func() { l.joined = joined; l.open() }); err != nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-joined:
		return err
	case <-timer.C:
	}
	err := l.do(func() {
		l.joined = nil
		l.tally()
		joined <- fmt.Errorf("after %v %d of %d sessions are live and %d on their way; ended: %v",
			patience, l.live, l.cfg.Sessions, l.joining, l.window.Closed)
	})
	if err != nil {
		return err
	}
	return <-joined
}

// Mark returns what came since the last call and begins anew.
func (l *Loop) Mark() (Window, error) {
	var w Window
	err := l.do(func() {
		l.tally()
		w = l.window
		if l.cfg.CadenceMS > 0 {
			w.Beats = slices.Clone(l.beats)
		}
		w.Probes = l.record.Take()
		others := l.others.Take()
		w.Probes.Problems += others.Problems
		w.Probes.Texts = append(w.Probes.Texts, others.Texts...)
		l.reset()
	})
	return w, err
}

// Holds returns the models of all probes.
func (l *Loop) Holds() ([]probe.Last, error) {
	var all []probe.Last
	err := l.do(func() {
		for i := range l.sessions[:l.cfg.Probes] {
			if p := l.sessions[i].probe; p != nil {
				all = append(all, p.Holds()...)
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
	for i := range l.sessions {
		if s := &l.sessions[i]; s.state != stateNew && s.state != stateClosed {
			_ = unix.Close(s.fd)
		}
	}
	_ = unix.Close(l.epoll)
}

// reset begins a window.
func (l *Loop) reset() {
	closed := l.window.Closed
	if closed == nil {
		closed = make(map[string]int)
	}
	l.window = Window{Closed: closed}
	for i := range l.sessions {
		l.sessions[i].count = 0
	}
}

// tally completes the window's figures that are not counted as they come.
func (l *Loop) tally() {
	l.window.Live = l.live
	first := true
	for i := range l.sessions {
		s := &l.sessions[i]
		if s.state != stateLive {
			continue
		}
		if first {
			l.window.FewestFrames, l.window.MostFrames = s.count, s.count
			first = false
		}
		l.window.FewestFrames = min(l.window.FewestFrames, s.count)
		l.window.MostFrames = max(l.window.MostFrames, s.count)
	}
	closed := make(map[string]int, len(l.window.Closed))
	for why, n := range l.window.Closed {
		closed[why] = n
	}
	l.window.Closed = closed
}

// outcome tells whoever waits in Connect how it went.
func (l *Loop) outcome(err error) {
	if l.joined != nil {
		l.joined <- err
		l.joined = nil
	}
}

// wentLive counts a session that has all that it asked for, and lets the next one begin.
func (l *Loop) wentLive() {
	l.joining--
	l.live++
	if l.live == l.cfg.Sessions {
		l.outcome(nil)
	}
	l.open()
}

// beat notes when a session gets its cuts.
func (l *Loop) beat(cut int64) {
	if cadence := int64(l.cfg.CadenceMS) * 1000; cadence > 0 {
		l.beats[cut%cadence*BeatSlices/cadence]++
	}
}
