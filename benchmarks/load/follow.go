package load

import (
	"errors"

	"github.com/feedd/feedd/benchmarks/frame"
	"github.com/feedd/feedd/benchmarks/probe"
	"github.com/feedd/feedd/benchmarks/skim"
)

// follower reads the whole messages of a session: on a probe all of them, on others until they are live and their beat
// is known.
type follower interface {
	// take reads a message that arrived at now, in microseconds since the Unix epoch, and returns what to answer.
	take(now int64, message []byte) (answer []byte, err error)
	// complete reports whether everything that was asked for has come.
	complete() bool
	// lastCut is when the state in the last rows was frozen; 0: nobody says.
	lastCut() int64
}

// decoder is the follower of a probe of feedd.
type decoder struct {
	*probe.Probe
	group *group
}

func (d decoder) take(now int64, message []byte) ([]byte, error) {
	d.Frame(now, message)
	return nil, nil
}

func (d decoder) complete() bool { return d.Complete(d.group.quotes, d.group.books) }
func (d decoder) lastCut() int64 { return d.LastCut() }

// skimmer is the follower of a session of feedd that is no probe.
type skimmer struct {
	read func([]byte) error // one of frame's methods
	// frame is shared by all skimmers of the loop: what it holds means something during take only.
	frame *skim.Frame
	want  int
	seen  []uint32 // keys of the full rows so far
	cut   int64
}

var errRefused = errors.New("a subscription was refused, and a probe would tell why")

func (s *skimmer) take(_ int64, message []byte) ([]byte, error) {
	if err := s.read(message); err != nil {
		return nil, err
	}
	if s.frame.Refused {
		return nil, errRefused
	}
	if s.frame.Cut != 0 {
		s.cut = s.frame.Cut
	}
	if len(s.seen) < s.want {
		s.note(s.frame.Full)
	}
	return nil, nil
}

// note adds the keys that are new. Rows of one instrument may come twice while a session joins: the list is walked
// backwards since a repeat follows soon.
func (s *skimmer) note(keys []uint32) {
next:
	for _, key := range keys {
		for i := len(s.seen) - 1; i >= 0; i-- {
			if s.seen[i] == key {
				continue next
			}
		}
		s.seen = append(s.seen, key)
	}
}

func (s *skimmer) complete() bool { return len(s.seen) >= s.want }
func (s *skimmer) lastCut() int64 { return s.cut }

// stream is the follower of a session of NATS.
type stream struct{ *probe.Subscriber }

func (s stream) take(now int64, message []byte) ([]byte, error) { return s.Take(now, message), nil }
func (s stream) complete() bool                                 { return s.Complete() }
func (s stream) lastCut() int64                                 { return 0 }

// whole is the follower of a session whose quotes always come whole.
type whole struct {
	*probe.Whole
	read  func(now int64, message []byte)
	group *group
}

func (w whole) take(now int64, message []byte) ([]byte, error) {
	w.read(now, message)
	return nil, nil
}
func (w whole) complete() bool { return w.Complete(w.group.quotes) }
func (w whole) lastCut() int64 { return 0 }

// follow makes the follower of a session, or none where nothing is read.
func (l *Loop) follow(i int) follower {
	s := &l.sessions[i]
	g := s.group
	isProbe := i-g.first < g.Probes
	record := l.others
	if isProbe {
		record = g.record
	}
	switch g.Speak {
	case Feed, FeedJSON:
		if isProbe {
			opt := probe.Options{JSON: g.Speak == FeedJSON, Cadence: int64(g.CadenceMS) * 1000, Busy: g.Busy}
			return decoder{probe.New(g.record, l.instruments, opt), g}
		}
		return l.skimmer(g)
	case Broadcast:
		if !isProbe {
			return l.skimmer(g)
		}
		w := probe.NewWhole(g.record, l.instruments, l.cfg.Symbols)
		return whole{w, w.Broadcast, g}
	case Centrifuge:
		w := probe.NewWhole(record, l.instruments, l.cfg.Symbols)
		w.Asks(l.symbols(i))
		return whole{w, w.Centrifuge, g}
	case NATS:
		return stream{probe.NewSubscriber(g.record, l.symbols(i))}
	}
	return nil
}

func (l *Loop) skimmer(g *group) *skimmer {
	s := &skimmer{read: l.skim.Binary, frame: &l.skim, want: g.quotes + g.books}
	if g.Speak == FeedJSON {
		s.read = l.skim.Text
	}
	return s
}

// opcode is that of the messages that a session sends.
func (g *group) opcode() byte {
	if g.Speak == FeedJSON {
		return frame.Text
	}
	return frame.Binary
}
