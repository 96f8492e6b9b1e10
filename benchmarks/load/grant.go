package load

import (
	"errors"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/feedd/feedd/benchmarks/probe"
	"github.com/feedd/feedd/benchmarks/skim"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// grants is a change of the throttle that sessions wait to be told of. It belongs to the loop's thread.
type grants struct {
	since   int64 // in microseconds since the Unix epoch
	missing int
	reached *hdrhistogram.Histogram
	told    chan struct{}

	asking  int // the next session that asks, by number; beyond the last: all have
	request map[*group][]byte
}

// Granted tells how long a change of the throttle took to reach all sessions.
type Granted struct {
	Sessions int     `json:"sessions"`
	Seconds  float64 `json:"seconds"` // until the last one was told
	// Each is the time from the change until a session had its grant.
	Each probe.Percentiles `json:"each_us"`
}

// Expect has every live session of feedd look for a grant, from now on.
func (l *Loop) Expect() error {
	return l.do(func() { l.expect() })
}

func (l *Loop) expect() {
	l.grants = grants{
		since: time.Now().UnixMicro(), reached: hdrhistogram.New(1, 600_000_000, 3), told: make(chan struct{}, 1), asking: len(l.sessions),
	}
	for i := range l.sessions {
		s := &l.sessions[i]
		if s.granted = s.state == stateLive && (s.group.Speak == Feed || s.group.Speak == FeedJSON); s.granted {
			l.missing++
		}
	}
}

// SetRate has every live session of feedd ask for another cadence.
func (l *Loop) SetRate(cadenceMS uint32) error {
	var failed error
	err := l.do(func() {
		l.expect()
		l.request = make(map[*group][]byte)
		for _, g := range l.groups {
			b, err := g.setRate(&feedv1.SetRate{CadenceMs: &cadenceMS})
			if err != nil {
				failed = err
				return
			}
			l.request[g] = b
			g.CadenceMS = cadenceMS
			clear(g.beats)
		}
		l.asking = 0
	})
	return errors.Join(err, failed)
}

// ask lets some more sessions ask: all at once would keep this thread from reading.
func (l *Loop) ask() {
	const atOnce = 500
	for range atOnce {
		if l.asking >= len(l.sessions) {
			return
		}
		if i := l.asking; l.sessions[i].granted {
			l.write(i, l.request[l.sessions[i].group])
		}
		l.asking++
	}
}

// Await returns when every session that looked for a grant has had it, or with an error when patience is over.
func (l *Loop) Await(patience time.Duration) (Granted, error) {
	var told chan struct{}
	err := l.do(func() {
		if told = l.told; told != nil && l.missing == 0 {
			l.tell()
		}
	})
	if err != nil {
		return Granted{}, err
	}
	if told == nil {
		return Granted{}, errors.New("nobody expects a grant")
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-told:
	case <-timer.C:
	}
	var g Granted
	missing := 0
	err = l.do(func() {
		missing = l.missing
		g.Each = probe.PercentilesOf(l.reached)
		g.Sessions, g.Seconds = int(g.Each.Count), float64(g.Each.Max)/1e6
		l.grants = grants{asking: len(l.sessions)}
		for i := range l.sessions {
			l.sessions[i].granted = false
		}
	})
	if missing > 0 {
		err = fmt.Errorf("after %v %d sessions have no grant", patience, missing)
	}
	return g, err
}

// lookForGrant takes a message of a session that waits for a grant.
func (l *Loop) lookForGrant(i int, now int64, payload []byte) {
	s := &l.sessions[i]
	var f skim.Frame
	read := f.Binary
	if s.group.Speak == FeedJSON {
		read = f.Text
	}
	if err := read(payload); err != nil {
		l.end(i, err.Error())
		return
	}
	if f.Grants > 0 {
		_ = l.reached.RecordValue(max(1, now-l.since))
		l.grantedOrGone(i)
	}
}

// grantedOrGone ends a session's wait.
func (l *Loop) grantedOrGone(i int) {
	s := &l.sessions[i]
	if !s.granted {
		return
	}
	s.granted = false
	if l.missing--; l.missing == 0 {
		l.tell()
	}
}

// tell says that all have their grants, once is enough.
func (l *Loop) tell() {
	select {
	case l.told <- struct{}{}:
	default:
	}
}
