package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/drop"
)

// Every is the time between two loads of a node.
const Every = 2 * time.Second

// backlog is how many loads may wait; beyond it they are dropped, and the next ones count.
const backlog = 2 * maxNodes

// Member is a node's place among the others. Its methods may be called from any goroutine.
type Member struct {
	nc       *nats.Conn
	self     Load
	measure  func(*Load)
	counters *drop.Counters
	log      *slog.Logger

	fleet  atomic.Pointer[Fleet]
	told   atomic.Pointer[Load]
	urgent chan struct{} // capacity 1: tell now

	// Of Run.
	roster *Roster
	warned warned
}

// warned is what the log was told, so that it is told once.
type warned struct{ namesakes, strangers, clocks, crowd bool }

// NewMember returns the place of a node, whose name, instance, version and URL are in self. measure sets the rest of a
// load.
func NewMember(nc *nats.Conn, self Load, measure func(*Load), counters *drop.Counters, log *slog.Logger) *Member {
	self.Revision, self.IntervalMS = Revision, Every.Milliseconds()
	m := &Member{nc: nc, self: self, measure: measure, counters: counters, log: log, urgent: make(chan struct{}, 1), roster: NewRoster(self)}
	m.fleet.Store(m.roster.Fleet())
	m.told.Store(&m.self)
	return m
}

// Fleet returns the others as they were a moment ago.
func (m *Member) Fleet() *Fleet { return m.fleet.Load() }

// Self returns what others were told last.
func (m *Member) Self() Load { return *m.told.Load() }

// Tell has the load published now.
func (m *Member) Tell() {
	select {
	case m.urgent <- struct{}{}:
	default:
	}
}

// Run publishes loads and listens to those of others until ctx ends. Then a last load says that the node drains.
func (m *Member) Run(ctx context.Context) error {
	loads := make(chan *nats.Msg, backlog)
	sub, err := m.nc.ChanSubscribe(All, loads)
	if err != nil {
		return fmt.Errorf("listening for other nodes: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails where the connection is closed
	tick := time.NewTicker(Every)
	defer tick.Stop()
	m.tell(false)
	for {
		select {
		case <-ctx.Done():
			m.tell(true)
			return nil
		case msg := <-loads:
			m.take(msg)
			for range len(loads) {
				m.take(<-loads)
			}
			m.look()
		case <-m.urgent:
			m.tell(false)
		case <-tick.C:
			m.tell(false)
			m.look()
		}
	}
}

// tell publishes the load. The last one says that nobody should come any more.
func (m *Member) tell(last bool) {
	l := m.self
	m.measure(&l)
	l.Draining = l.Draining || last
	l.Sent = time.Now().UnixMicro()
	m.told.Store(&l)
	payload, err := json.Marshal(&l)
	if err == nil {
		err = m.nc.Publish(root+l.Instance, payload)
	}
	if err != nil && !m.nc.IsClosed() {
		m.log.Debug("other nodes are not told how this one fares", slog.Any("err", err))
	}
}

func (m *Member) take(msg *nats.Msg) {
	l, err := ParseLoad(msg.Data)
	if err == nil && msg.Subject != root+l.Instance {
		err = fmt.Errorf("load of instance %s on %s", l.Instance, msg.Subject)
	}
	if err != nil {
		m.counters.Add(drop.BadNodeLoad, 1)
		m.log.Debug("a node's load cannot be used", slog.Any("err", err))
		return
	}
	if m.roster.Take(l, time.Now().UnixMicro()) {
		m.log.Info("another node", slog.String("node", l.Node), slog.String("instance", l.Instance), slog.String("version", l.Version), slog.String("url", l.URL))
	}
}

// look forgets who is gone, shows the rest, and warns of what is wrong with them.
func (m *Member) look() {
	for _, n := range m.roster.Gone(time.Now().UnixMicro()) {
		m.log.Info("a node is gone", slog.String("node", n.Node), slog.String("instance", n.Instance), slog.Bool("drained", n.Draining))
	}
	f := m.roster.Fleet()
	m.fleet.Store(f)
	w := &m.warned
	m.warn(&w.namesakes, f.Namesakes > 0, "nodes bear the same name: give each its own with --node", slog.Any("nodes", f.names(func(n *Node) bool { return n.Namesake })))
	m.warn(&w.strangers, f.Strangers > 0, "nodes speak another revision, and no client is sent to them", slog.Any("nodes", f.names(func(n *Node) bool { return !n.Compatible() })))
	m.warn(&w.clocks, f.ClocksOff > 0, "clocks of nodes are off", slog.Int("nodes", f.ClocksOff), slog.Bool("this_one", f.SelfOff), slog.Duration("others_are_ahead_by", f.Ahead))
	m.warn(&w.crowd, m.roster.Beyond > 0, "there are more nodes than are kept", slog.Int("kept", maxNodes))
}

// warn says something when it begins to be so.
func (m *Member) warn(was *bool, is bool, text string, about ...slog.Attr) {
	if is && !*was {
		m.log.LogAttrs(context.Background(), slog.LevelWarn, text, about...)
	}
	*was = is
}

// names lists the names of some nodes.
func (f *Fleet) names(of func(*Node) bool) (names []string) {
	for i := range f.Nodes {
		if of(&f.Nodes[i]) && len(names) < 8 {
			names = append(names, f.Nodes[i].Node)
		}
	}
	return names
}
