package main

import (
	"errors"

	"github.com/feedd/feedd/admin"
)

// figures reads the parts for one scrape.
func (s *server) figures() admin.Figures {
	sent, in := s.engine.Stats(), s.feed.Stats()
	f := s.clients()
	f.SlowedDown, f.SpedUp = s.sessions.Moves.Down.Load(), s.sessions.Moves.Up.Load()
	f.CutLatenessMax = sent.LatestCut.Seconds()
	f.Ticks, f.Transit, f.AheadOfClock, f.Gaps, f.Held = map[string]uint64{}, in.Transit, in.Ahead, in.Gaps, in.Held
	f.Instruments, f.Sources, f.SourcesSuspect, f.LastTick = in.Instruments, in.Sources, in.SuspectSources, seconds(in.LastTick)
	f.NATSConnected, f.StreamRecords, f.NATSReconnects = in.Connected, in.Recorded, in.Reconnects
	others := s.member.Fleet()
	f.Nodes, f.NodesStrange, f.NodesNamesakes, f.NodesClockOff, f.ClockBehind = len(others.Nodes), others.Strangers, others.Namesakes, others.ClocksOff, others.Ahead.Seconds()
	for i := range others.Nodes {
		if others.Nodes[i].Draining {
			f.NodesDraining++
		}
	}
	f.NodesSilent = len(others.Silent)
	held := s.feed.Interest()
	f.InterestHeld, f.InterestCarried, f.InterestWaiting = held.Held, held.Carried, held.Waiting
	f.InterestMade, f.InterestDropped, f.ColdStarts = held.Made, held.Dropped, held.Cold
	for _, c := range sent.Cadences {
		f.Cadences = append(f.Cadences, admin.Cadence{
			Name: c.Cadence.String(), Age: c.Age, Late: c.Late, Flush: c.Flush, Lanes: c.Lanes, Subscriptions: c.Subscriptions,
		})
	}
	inForce := s.policy.Status()
	f.PolicyRevision, f.PolicyStale, f.PolicyRefused = inForce.Version.Revision, inForce.Stale, inForce.Refused != nil
	load := s.lookout.now.Load()
	f.Admission, f.Refusing, f.MemoryLive, f.MemoryLimit = uint8(load.Level), load.Refuses, float64(load.Memory), float64(load.MemoryLimit)
	f.ProcessorShare, f.AcceptsMax, f.Draining = load.CPU, load.Accepts, s.draining.Load()
	// Delayed feeds carry lanes of their own. What they time is not the market's.
	for _, d := range s.delayed {
		for i, c := range d.engine.Stats().Cadences {
			f.Cadences[i].Lanes += c.Lanes
			f.Cadences[i].Subscriptions += c.Subscriptions
		}
	}
	for _, h := range in.Heard {
		f.SourcesHeard = append(f.SourcesHeard, admin.Source{Name: h.Source, Heard: seconds(h.At), Suspect: h.Suspect, Rivals: h.Rivals})
	}
	if s.keeper != nil {
		if saved := s.keeper.Stats(); !saved.Last.IsZero() {
			f.CheckpointTime = seconds(saved.Last.UnixMicro())
			f.CheckpointTook, f.CheckpointBytes = saved.Took.Seconds(), saved.Bytes
		}
	}
	if c := s.options.edge.certificate; c != nil {
		st := c.Stats()
		f.CertificateNotAfter, f.CertificateRefused = float64(st.NotAfter.Unix()), st.Err != nil
	}
	for ch, n := range in.Ticks {
		f.Ticks[ch.String()] = n
	}
	return f
}

// seconds turns microseconds into seconds.
func seconds(us int64) float64 { return float64(us) / 1e6 }

var (
	errBooting  = errors.New("the state at start-up has not arrived from NATS yet")
	errDraining = errors.New("the server is stopping")
)

// probes leave out the connection to NATS on purpose: a node that has lost it still serves what it knows,
// marked as suspect, and taking it out of service would leave its clients with nothing.
func (s *server) probes() admin.Probes {
	booted := admin.Check{Name: "booted", Run: func() error {
		if !s.feed.Ready() {
			return errBooting
		}
		return nil
	}}
	staying := admin.Check{Name: "not draining", Run: func() error {
		if s.draining.Load() {
			return errDraining
		}
		return nil
	}}
	return admin.Probes{
		Ready: []admin.Check{booted, staying}, Startup: []admin.Check{booted},
		Notes: []admin.Note{
			{Name: "load", Say: func() string { return s.lookout.now.Load().String() }},
			{Name: "NATS", Say: func() string {
				if s.feed.Stats().Connected {
					return "connected"
				}
				return "away: what clients see is marked as suspect"
			}},
		},
	}
}
