package faults

import (
	"math"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/feedd/feedd/internal/rig"
)

// pair is two nodes: the clients of one, and bystanders on the other, to whom they come.
type pair struct {
	*node
	second     *rig.Process
	bystanders *standsBy
	neighbours *rig.Swarm // came to the second node in a rush: so it has told what it can take
	clients    *rig.Swarm
	count      int
}

const watched = 10 // instruments of each client in a swarm

func newPair(r *trial, count int, args ...string) *pair {
	r.Helper()
	n := nodeApart(r)
	n.feedd = n.serveBeside(args...)
	p := &pair{node: n, second: n.serve(args...), count: count}
	n.open(watched)
	n.look(n.feedd, p.second)
	p.neighbours = rig.NewSwarm(r, rig.SwarmOptions{
		Clients: pick(r, 10, 2000), Nodes: sockets(p.second), Symbols: n.market.Symbols, Cadence: time.Second, Seed: 1,
	})
	p.clients = rig.NewSwarm(r, rig.SwarmOptions{
		Clients: count, Nodes: sockets(n.feedd, p.second), Symbols: n.market.Symbols, Cadence: 500 * time.Millisecond, Seed: 2, From: 1,
	})
	p.bystanders = n.standBy(p.second)
	p.bystanders.calm()
	return p
}

// all waits until every client has gone over and is fresh.
func (p *pair) all() {
	p.r.Helper()
	rig.Eventually(p.r, "all clients at the other node", func() bool { return p.clients.Ended() >= p.count && p.clients.Fresh() == p.count })
}

// told writes down how clients came back, and what that did to the bystanders.
func (p *pair) told() {
	p.r.Helper()
	p.bystanders.seen()
	if n := p.neighbours.Ended(); n > 0 {
		p.r.Errorf("%d of those who were there were disconnected", n)
	}
	p.r.figure("clients", float64(p.count), "")
	p.r.duration("back and fresh, p50", p.clients.Back(0.5))
	p.r.duration("p95", p.clients.Back(0.95))
	p.r.duration("all", p.clients.Back(1))
	p.end()
	p.market.Ends(p.viewer.Connected(), p.viewer.Tape)
	p.r.figure("trades lost", float64(p.viewer.Lost()), "")
	for _, s := range []interface{ Close() }{p.viewer, p.clients, p.neighbours} {
		s.Close()
	}
}

func feeddKilled(r *trial) {
	p := newPair(r, pick(r, 50, 5000))
	p.feedd.Kill()
	p.all()
	p.told()
}

func feeddDrained(r *trial) {
	p := newPair(r, pick(r, 50, 5000), "--drain-within", pick(r, "5s", "30s"))
	began := time.Now()
	p.feedd.Signal(syscall.SIGTERM)
	if code := p.feedd.Wait(); code != 0 {
		r.Errorf("exit status %d", code)
	}
	r.duration("drain", time.Since(began))
	p.all()
	for code, n := range p.clients.Codes() {
		const draining = 4000
		if code != draining {
			r.Errorf("%d clients were closed with %d", n, code)
		}
	}
	r.figure("abnormal closes", float64(p.count-p.clients.Codes()[4000]), "")
	windows := p.clients.Windows()
	if len(windows) != p.count {
		r.Fatalf("%d of %d clients were asked to come back later", len(windows), p.count)
	}
	announced := 0.0
	for _, w := range windows {
		announced += 1e3 / float64(w.ReconnectMaxMs-w.ReconnectMinMs)
	}
	r.figure("announced", announced, "a second")
	came := float64(p.clients.Knocks(p.second.WebSocket(), began))
	r.figure("came at most", came, "a second")
	// Each draws its moment by itself: the busiest second of those who do so evenly lies that far above the mean.
	if chance := 4 * math.Sqrt(announced); !r.short && came > announced+chance {
		r.Errorf("%.0f came within a second, where %.0f were announced", came, announced)
	}
	p.told()
}

// stormed is a node with clients who are there, and a storm.
type stormed struct {
	*node
	there  *standsBy
	storm  *rig.Swarm
	count  int
	steady float64
}

func newStorm(r *trial, count int, hasty bool, args ...string) *stormed {
	r.Helper()
	s := &stormed{node: newNodeApart(r, watched, args...), count: count}
	s.storm = rig.NewSwarm(r, rig.SwarmOptions{
		Clients: count, Nodes: sockets(s.feedd), Symbols: s.market.Symbols, Cadence: time.Second, Seed: 2, From: 1, Hasty: hasty,
	})
	s.there = s.standBy(s.feedd)
	s.there.calm()
	s.steady = s.feedd.Resident()
	return s
}

// breaks cuts all of the storm at once, and waits until it is back.
func (s *stormed) breaks() {
	s.r.Helper()
	began, used, most := time.Now(), s.feedd.Used(), s.steady
	s.storm.Cut()
	rig.Eventually(s.r, "the storm to be over", func() bool {
		most = max(most, s.feedd.Resident())
		return s.storm.Ended() >= s.count && s.storm.Fresh() == s.count
	})
	now := time.Now()
	s.there.seen()
	s.r.figure("clients", float64(s.count), "")
	s.r.duration("99 % back and fresh", s.storm.Back(0.99))
	s.r.duration("all", s.storm.Back(1))
	s.r.figure("refused with 503", float64(s.storm.Refused(503)), "")
	s.r.figure("let in at most", float64(s.storm.Rush(s.feedd.WebSocket(), began)), "a second")
	s.r.figure("memory at most", most/s.steady, "× steady")
	s.r.figure("processor", (s.feedd.Used()-used).Seconds()/now.Sub(began).Seconds(), "cores")
	s.storm.Close()
	s.ends()
}

// admitting is a file of settings that bounds how many connections may begin a second.
func admitting(r *trial, rate string) string {
	r.Helper()
	path := filepath.Join(r.TempDir(), "feedd.yaml")
	if err := os.WriteFile(path, []byte("admission: {rate: "+rate+"}\n"), 0o600); err != nil {
		r.Fatal(err)
	}
	return path
}

func reconnectStorm(r *trial) {
	newStorm(r, pick(r, 50, *crowd), false, "--config", admitting(r, "1000")).breaks()
}

func snapshotHerd(r *trial) { newStorm(r, pick(r, 50, *crowd), false).breaks() }

func hastyClients(r *trial) {
	newStorm(r, pick(r, 20, 500), true, "--config", admitting(r, "100")).breaks()
}

func manyStuck(r *trial) {
	n := newNodeApart(r, watched)
	healthy := rig.NewSwarm(r, rig.SwarmOptions{
		Clients: pick(r, 20, *crowd-*crowd/10), Nodes: sockets(n.feedd), Symbols: n.market.Symbols, Cadence: time.Second, Seed: 1,
	})
	count := pick(r, 5, *crowd/10)
	stuck := rig.NewSwarm(r, rig.SwarmOptions{
		Clients: count, Nodes: sockets(n.feedd), Symbols: n.market.Symbols, Cadence: 100 * time.Millisecond, Seed: 2, From: 1, ReceiveBuffer: 4 << 10,
	})
	bystanders := n.standBy(n.feedd)
	bystanders.calm()
	memory, began := n.feedd.Resident(), time.Now()
	stay := n.feedd.Number("feedd_connections") - float64(count)
	stuck.Still(count)
	blocked := 0.0
	rig.Eventually(r, "the stuck clients to be given up", func() bool {
		blocked = max(blocked, n.feedd.Resident()-memory)
		return n.feedd.Number("feedd_connections") <= stay
	})
	now := time.Now()
	bystanders.seen()
	r.figure("stuck", float64(count), "")
	r.duration("all given up", now.Sub(began))
	r.figure("memory for each, at most", max(0, blocked)/float64(count)/1024, "KiB")
	r.figure("healthy clients disconnected", float64(healthy.Ended()), "")
	if n := healthy.Ended(); n > 0 {
		r.Errorf("%d healthy clients were disconnected", n)
	}
	stuck.Close()
	healthy.Close()
	n.ends()
}
