package faults

import (
	"time"

	"github.com/feedd/feedd/internal/rig"
	"github.com/feedd/feedd/internal/rig/bystand"
)

// What others do may move what bystanders see by so much.
const (
	ageMoves     = 20                    // per cent of the p99 of age
	latenessMost = 50 * time.Millisecond // of the p99 of lateness
)

// standsBy are the bystanders of a row: 250 ms is a common cadence of dashboards.
type standsBy struct {
	*rig.Bystanders
	r      *trial
	judged bool
	before bystand.Figures
}

// standBy has bystanders come to a node.
func (n *node) standBy(at *rig.Process) *standsBy {
	n.r.Helper()
	plan := bystand.Plan{
		NATS: n.nats.URL(), WebSocket: at.WebSocket(), Clients: pick(n.r, 10, 200), Cadence: 250 * time.Millisecond,
		Instruments: watched, Pace: 5 * time.Millisecond,
	}
	return &standsBy{Bystanders: rig.StandBy(n.r, plan), r: n.r, judged: !n.r.short && n.cores != nil}
}

// calm looks at them while nothing happens.
func (s *standsBy) calm() {
	s.r.Helper()
	s.Since()
	time.Sleep(pick(s.r, 300*time.Millisecond, 10*time.Second))
	s.before = s.Since()
}

// seen judges what they saw since then.
func (s *standsBy) seen() {
	s.r.Helper()
	during := s.Since()
	s.Close()
	more := share(s.before.Age.P99, during.Age.P99)
	s.r.duration("bystanders' p99 of age before", s.before.Age.P99)
	s.r.figure("during, more by", more, "%")
	s.r.duration("their p99 of lateness before", s.before.Lateness.P99)
	s.r.duration("during", during.Lateness.P99)
	s.r.figure("bystanders disconnected", float64(during.Ended), "")
	s.r.Logf("bystanders before: %+v", s.before)
	s.r.Logf("bystanders during: %+v", during)
	if during.Ended > 0 {
		s.r.Errorf("%d bystanders were disconnected", during.Ended)
	}
	if !s.judged {
		return
	}
	if s.before.Age.Count == 0 || during.Age.Count == 0 || during.Shared*100 > during.Lateness.Count {
		s.r.Errorf("what bystanders saw tells nothing: %+v, %+v", s.before, during)
	}
	if more > ageMoves {
		s.r.Errorf("their p99 of age moved by %.3g %%, at most %d are right", more, ageMoves)
	}
	if during.Lateness.P99 > latenessMost {
		s.r.Errorf("their p99 of lateness was %v, at most %v is right", during.Lateness.P99, latenessMost)
	}
}
