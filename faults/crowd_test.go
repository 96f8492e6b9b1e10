package faults

import (
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
	bystanders *rig.Swarm
	clients    *rig.Swarm
	count      int
	from       time.Time // of a quiet stretch
}

const watched = 10 // instruments of each client in a swarm

func newPair(r *trial, count int, args ...string) *pair {
	r.Helper()
	n := &node{r: r, nats: rig.StartNATS(r)}
	rig.Record(r, n.nats.Connect(), 1)
	n.feedd = n.serve(args...)
	p := &pair{node: n, second: n.serve(args...), count: count}
	n.open(watched)
	n.look(n.feedd, p.second)
	p.bystanders = rig.NewSwarm(r, rig.SwarmOptions{
		Clients: pick(r, 10, 200), Nodes: sockets(p.second), Symbols: n.market.Symbols, Cadence: 250 * time.Millisecond, Seed: 1,
	})
	p.clients = rig.NewSwarm(r, rig.SwarmOptions{
		Clients: count, Nodes: sockets(n.feedd, p.second), Symbols: n.market.Symbols, Cadence: 500 * time.Millisecond, Seed: 2, From: 1,
	})
	p.from = time.Now()
	time.Sleep(pick(r, 100*time.Millisecond, 5*time.Second))
	return p
}

// all waits until every client has gone over and is fresh.
func (p *pair) all() {
	p.r.Helper()
	rig.Eventually(p.r, "all clients at the other node", func() bool { return p.clients.Ended() >= p.count && p.clients.Fresh() == p.count })
}

// told writes down how clients came back, and what that did to the bystanders.
func (p *pair) told(began time.Time) {
	p.r.Helper()
	now := time.Now()
	p.r.figure("clients", float64(p.count), "")
	p.r.duration("back and fresh, p50", p.clients.Back(0.5))
	p.r.duration("p95", p.clients.Back(0.95))
	p.r.duration("all", p.clients.Back(1))
	p.r.figure("bystanders' p99, more by", share(p.bystanders.Late(0.99, p.from, began), p.bystanders.Late(0.99, began, now)), "%")
	p.r.figure("bystanders disconnected", float64(p.bystanders.Ended()), "")
	if n := p.bystanders.Ended(); n > 0 {
		p.r.Errorf("%d bystanders were disconnected", n)
	}
	p.end()
	p.market.Ends(p.viewer.Connected(), p.viewer.Tape)
	p.r.figure("trades lost", float64(p.viewer.Lost()), "")
	for _, s := range []interface{ Close() }{p.viewer, p.clients, p.bystanders} {
		s.Close()
	}
}

func feeddKilled(r *trial) {
	p := newPair(r, pick(r, 50, 5000))
	began := time.Now()
	p.feedd.Kill()
	p.all()
	p.told(began)
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
	announced := float64(p.count) / (float64(windows[0].ReconnectMaxMs-windows[0].ReconnectMinMs) / 1e3)
	r.figure("announced", announced, "a second")
	r.figure("came at most", float64(p.clients.Rush(p.second.WebSocket(), began)), "a second")
	p.told(began)
}

// stormed is a node with clients who are there, and a storm.
type stormed struct {
	*node
	there, storm *rig.Swarm
	count        int
	from         time.Time
	steady       float64
}

func newStorm(r *trial, count int, hasty bool, args ...string) *stormed {
	r.Helper()
	s := &stormed{node: newNode(r, watched, args...), count: count}
	s.there = rig.NewSwarm(r, rig.SwarmOptions{
		Clients: pick(r, 10, 200), Nodes: sockets(s.feedd), Symbols: s.market.Symbols, Cadence: 250 * time.Millisecond, Seed: 1,
	})
	s.storm = rig.NewSwarm(r, rig.SwarmOptions{
		Clients: count, Nodes: sockets(s.feedd), Symbols: s.market.Symbols, Cadence: time.Second, Seed: 2, From: 1, Hasty: hasty,
	})
	s.from = time.Now()
	time.Sleep(pick(r, 100*time.Millisecond, 5*time.Second))
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
	s.r.figure("clients", float64(s.count), "")
	s.r.duration("99 % back and fresh", s.storm.Back(0.99))
	s.r.duration("all", s.storm.Back(1))
	s.r.figure("refused with 503", float64(s.storm.Refused(503)), "")
	s.r.figure("let in at most", float64(s.storm.Rush(s.feedd.WebSocket(), began)), "a second")
	s.r.figure("memory at most", most/s.steady, "× steady")
	s.r.figure("processor", (s.feedd.Used()-used).Seconds()/now.Sub(began).Seconds(), "cores")
	before, during := s.there.Late(0.99, s.from, began), s.there.Late(0.99, began, now)
	s.r.duration("p99 of those who were there, before", before)
	s.r.figure("during, more by", share(before, during), "%")
	s.r.figure("of them disconnected", float64(s.there.Ended()), "")
	if n := s.there.Ended(); n > 0 {
		s.r.Errorf("%d who were there were disconnected", n)
	}
	s.storm.Close()
	s.there.Close()
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
	n := newNode(r, watched)
	healthy := rig.NewSwarm(r, rig.SwarmOptions{
		Clients: pick(r, 20, *crowd-*crowd/10), Nodes: sockets(n.feedd), Symbols: n.market.Symbols, Cadence: time.Second, Seed: 1,
	})
	count := pick(r, 5, *crowd/10)
	stuck := rig.NewSwarm(r, rig.SwarmOptions{
		Clients: count, Nodes: sockets(n.feedd), Symbols: n.market.Symbols, Cadence: 100 * time.Millisecond, Seed: 2, From: 1, ReceiveBuffer: 4 << 10,
	})
	from := time.Now()
	time.Sleep(pick(r, 100*time.Millisecond, 5*time.Second))
	memory, began := n.feedd.Resident(), time.Now()
	stuck.Still(count)
	blocked := 0.0
	rig.Eventually(r, "the stuck clients to be given up", func() bool {
		blocked = max(blocked, n.feedd.Resident()-memory)
		return n.feedd.Number("feedd_connections") <= float64(healthy.Fresh()+1) // the one is the person who looks
	})
	now := time.Now()
	r.figure("stuck", float64(count), "")
	r.duration("all given up", now.Sub(began))
	r.figure("memory for each, at most", max(0, blocked)/float64(count)/1024, "KiB")
	r.figure("the others' p99, more by", share(healthy.Late(0.99, from, began), healthy.Late(0.99, began, now)), "%")
	r.figure("of them disconnected", float64(healthy.Ended()), "")
	if n := healthy.Ended(); n > 0 {
		r.Errorf("%d healthy clients were disconnected", n)
	}
	stuck.Close()
	healthy.Close()
	n.ends()
}
