package main

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"runtime"
	"time"

	"github.com/feedd/feedd/admin/control"
	"github.com/feedd/feedd/fleet"
	"github.com/feedd/feedd/internal/build"
	"github.com/feedd/feedd/internal/overload"
	"github.com/feedd/feedd/policy"
)

// alternates is how many other nodes a client is told of.
const alternates = 3

// startFleet tells other nodes how this one fares, and listens to them.
func (s *server) startFleet() {
	self := fleet.Load{
		Instance: rand.Text()[:12], Node: s.nodeName(), Version: build.Version(), Started: s.began.UnixMicro(), URL: s.options.PublicURL,
		Interest: s.options.Interest.Mode, Cores: runtime.GOMAXPROCS(0), Admits: float64(s.options.Admission.Rate),
	}
	s.frameRate, s.byteRate = newRate(s.framesSent), newRate(s.bytesSent)
	s.member = fleet.NewMember(s.conn, self, s.measureLoad, &s.drops, s.options.log)
	s.sessions.Alternates = func() []string { return s.member.Fleet().Alternates(alternates, mathrand.Float64) }
	s.run("fleet", s.member.Run)
}

// measureLoad sets what changes of this node's load. It is called by one goroutine.
func (s *server) measureLoad(l *fleet.Load) {
	now := s.lookout.now.Load()
	at := time.Now()
	l.Sessions, l.FramesPerS, l.BytesPerS = s.clients().Connections, s.frameRate.take(at), s.byteRate.take(at)
	l.CPU, l.Memory, l.MemoryLimit, l.Accepts = now.CPU, now.Memory, now.MemoryLimit, now.Accepts
	l.Level, l.Refuses = now.Level.String(), now.Refuses
	if st := s.policy.Status(); st.Version.Kind == policy.BuiltIn {
		l.Policy = string(policy.BuiltIn)
	} else {
		l.Policy = st.Source
	}
	l.Draining, l.Instruments = s.draining.Load(), s.feed.Stats().Instruments
	if l.Carried = l.Instruments; s.options.Interest.Mode == "demand" {
		l.Carried = s.feed.Carried()
	}
}

func (s *server) framesSent() uint64 { return s.engine.Stats().Frames }
func (s *server) bytesSent() uint64  { return s.engine.Stats().Bytes }

// rate is how fast a count grows between two looks at it.
type rate struct {
	count  func() uint64
	before uint64
	at     time.Time
	last   float64
}

func newRate(count func() uint64) *rate { return &rate{count: count, before: count(), at: time.Now()} }

// take returns the rate since the look before, unless that was a moment ago.
func (r *rate) take(now time.Time) float64 {
	if since := now.Sub(r.at).Seconds(); since >= 0.5 {
		n := r.count()
		r.last, r.before, r.at = float64(n-r.before)/since, n, now
	}
	return r.last
}

// window is the time over which the clients of this node should come back to others, who are told meanwhile that it drains.
func (s *server) window(clients int) time.Duration {
	able, leaving := s.member.Fleet().Able()
	if able == 0 { // nobody is heard of: they stand where only the operator knows, and are taken to be like this one
		able = float64(s.options.Drain.Peers) * overload.Able(s.lookout.now.Load().Accepts, runtime.GOMAXPROCS(0), float64(s.options.Admission.Rate))
	}
	return overload.Window(clients+leaving, able)
}

// Loads implements control.Node.
func (n operated) Loads() []control.NodeLoad {
	others, self := n.member.Fleet(), n.member.Self()
	all := []control.NodeLoad{nodeLoad(&fleet.Node{Load: self, Heard: self.Sent, Namesake: others.SelfNamesake})}
	all[0].This = true
	for i := range others.Nodes {
		all = append(all, nodeLoad(&others.Nodes[i]))
	}
	for i := range others.Silent {
		all = append(all, nodeLoad(&others.Silent[i]))
		all[len(all)-1].Silent = true
	}
	return all
}

func nodeLoad(o *fleet.Node) control.NodeLoad {
	return control.NodeLoad{
		Node: o.Node, Instance: o.Instance, Version: o.Version, Compatible: o.Compatible(), Namesake: o.Namesake, URL: o.URL,
		Started: time.UnixMicro(o.Started).UTC(), Heard: time.UnixMicro(o.Heard).UTC(), ClockMS: float64(o.Offset.Microseconds()) / 1000,
		Level: o.Level, Refuses: o.Refuses, Draining: o.Draining, Sessions: o.Sessions, FramesPerS: o.FramesPerS, BytesPerS: o.BytesPerS, Cores: o.Cores, CPU: o.CPU, Memory: o.Memory, MemoryLimit: o.MemoryLimit,
		Interest: o.Interest, Instruments: o.Instruments, Carried: o.Carried, Policy: o.Policy,
	}
}
