package sizing

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
)

// Study is all of it: what things cost, what fleets that takes, and what becomes of them on a bad day.
type Study struct {
	Basis      []Figure   `json:"basis"`
	Market     Market     `json:"market"`
	Need       Need       `json:"session_of_the_mix"`
	Fleets     []Fleet    `json:"fleets"`
	Universes  []Universe `json:"universes"`
	Validation []Check    `json:"validation"`
	Cases      []*Outcome `json:"cases"`
	Back       []Back     `json:"nats_back"`
}

// Universe is what interest-driven subjects save where there is more than a node needs.
type Universe struct {
	Instruments int     `json:"instruments"`
	Ticks       float64 `json:"ticks_per_s"`
	Sessions    float64 `json:"sessions_per_node"`
	Wanted      float64 `json:"instruments_wanted_per_node"`
	WantedTicks float64 `json:"ticks_wanted_per_node"`
	IngestAll   float64 `json:"cores_ingest_all"`
	IngestOnly  float64 `json:"cores_ingest_demand"`
	NATSAll     float64 `json:"nats_bits_per_s_all"`
	NATSDemand  float64 `json:"nats_bits_per_s_demand"`
	MemoryAll   float64 `json:"state_bytes_per_node_all"`
	MemoryOnly  float64 `json:"state_bytes_per_node_demand"`
}

// Check sets the model beside something that was measured.
type Check struct {
	Name     string  `json:"name"`
	Measured float64 `json:"measured_s"`
	Model    float64 `json:"model_s"`
	Off      float64 `json:"off"` // model over measured, less one
	From     string  `json:"from"`
}

// Machines by size of the fleet: more cores where there are more clients, so that nodes stay few.
var sizes = []struct {
	clients int
	shape   Shape
}{
	{10_000, Shape{2, 4 << 30}}, {100_000, Shape{4, 8 << 30}}, {1_000_000, Shape{16, 16 << 30}}, {10_000_000, Shape{16, 16 << 30}},
}

const (
	// internet is all round trips of a connection: TCP, TLS, upgrade, hello, subscribe at 50 ms each.
	internet  = 0.25
	seed      = 1
	natsBound = 40e9 // bits a second: a cluster of four machines with 10 Gbit/s
)

// Run makes the study. The largest fleet is ten of the one before it, so it is not run by itself.
func Run(c *Costs, progress func(string)) (*Study, error) {
	classes, market := Mix(), Day()
	st := &Study{Basis: c.Figures, Market: market, Need: NeedOf(classes, market, c)}
	for _, z := range sizes {
		st.Fleets = append(st.Fleets, SizeOf(z.clients, z.shape, classes, market, c))
	}
	st.universes(c)
	if err := st.validate(c); err != nil {
		return nil, err
	}
	for _, f := range st.Fleets[:len(st.Fleets)-1] {
		if err := st.badDays(f, c, progress); err != nil {
			return nil, err
		}
	}
	return st, st.noRoom(st.Fleets[1], c)
}

func (st *Study) universes(c *Costs) {
	for _, m := range []Market{Day(), {100_000, 500_000, 4}, {1_500_000, 8_500_000, 20}} {
		for _, f := range []Fleet{st.Fleets[0], st.Fleets[2]} {
			u := Universe{Instruments: m.Instruments, Ticks: m.Ticks, Sessions: f.Sessions}
			u.Wanted, u.WantedTicks = m.Wanted(Mix(), f.Sessions)
			u.IngestAll, u.IngestOnly = m.Ticks*c.Tick, m.Ticks*u.WantedTicks*c.Tick
			u.NATSAll = m.Ticks * c.TickBytes * 8 * float64(f.Nodes)
			u.NATSDemand = u.NATSAll * u.WantedTicks
			u.MemoryAll = float64(m.Instruments) * c.Instrument
			u.MemoryOnly = u.MemoryAll * u.Wanted
			st.Universes = append(st.Universes, u)
		}
	}
}

// setup is a fleet in the model.
func (f Fleet) setup(market Market) Setup {
	return Setup{
		Clients: f.Clients, Nodes: f.Nodes, Cores: f.Shape.Cores, Memory: 0.85 * f.Shape.Bytes, Rate: f.AdmissionRate, Network: internet,
		Balancer: Balancer{OfTwo: true, Retry: true, Notices: 4}, Classes: Mix(), Market: market, Seed: seed, Patience: 600,
	}
}

// tight is a fleet of as few nodes, with so many clients that they are three quarters full when nothing is amiss.
func (f Fleet) tight(st *Study) Fleet {
	const full, round = 0.75, 1000
	f.Nodes = zones
	f.Clients = int(zones*(f.Shape.Cores*full-f.Ingesting)/st.Need.CPU/round) * round
	return f
}

func (st *Study) badDays(f Fleet, c *Costs, progress func(string)) error {
	well := f.setup(st.Market)
	open, plain := well, well
	open.Rate = 0
	plain.Balancer.Retry = false
	fewest, slowly := well, well
	fewest.Balancer.OfTwo, slowly.Balancer.OfTwo, slowly.Balancer.SlowStart = false, false, 30
	rolling := Rolling{Within: 30, Peers: f.Nodes - 1, Start: 10, Pause: 20}
	alone := rolling
	alone.Peers = 1
	for _, k := range []struct {
		name string
		run  func() (*Outcome, error)
	}{
		{"a node is killed", func() (*Outcome, error) { return KillNode(well, c) }},
		{"a node is killed, no admission rate", func() (*Outcome, error) { return KillNode(open, c) }},
		{"a node is killed, the balancer does not retry", func() (*Outcome, error) { return KillNode(plain, c) }},
		{"a zone falls silent", func() (*Outcome, error) { return LoseZone(well, c) }},
		{"a zone falls silent, no admission rate", func() (*Outcome, error) { return LoseZone(open, c) }},
		{"every connection is cut at once", func() (*Outcome, error) { return CutAll(well, c) }},
		{"every connection is cut at once, no admission rate", func() (*Outcome, error) { return CutAll(open, c) }},
		{"a rolling restart", func() (*Outcome, error) { return Restart(well, rolling, c) }},
		{"a rolling restart, always to the fewest connections", func() (*Outcome, error) { return Restart(fewest, rolling, c) }},
		{"a rolling restart, always to the fewest, new nodes slowly", func() (*Outcome, error) { return Restart(slowly, rolling, c) }},
		{"a rolling restart, drain.peers left at 1", func() (*Outcome, error) { return Restart(well, alone, c) }},
	} {
		o, err := k.run()
		if err != nil {
			return fmt.Errorf("%d clients: %w", f.Clients, err)
		}
		o.Name = k.name
		progress(fmt.Sprintf("%d clients: %s: 95 %% back after %.1f s, all after %.1f s", f.Clients, o.Name, o.P95, o.All))
		st.Cases = append(st.Cases, o)
	}
	st.Back = append(st.Back, NATSBack(well, 60, natsBound, c))
	return nil
}

// noRoom is what becomes of a fleet that was sized for a good day.
func (st *Study) noRoom(f Fleet, c *Costs) error {
	u := f.tight(st).setup(st.Market)
	u.Patience = 120 // it would go on for ever
	o, err := LoseZone(u, c)
	if err != nil {
		return err
	}
	o.Name = "a zone falls silent, of a fleet with no room for it"
	st.Cases = append(st.Cases, o)
	return nil
}

// validate runs the model over what was measured with other figures than those that it is built on.
func (st *Study) validate(c *Costs) error {
	lab := Setup{
		Clients: 10_000, Nodes: 1, Cores: 1, Balancer: Balancer{Notices: 1}, Seed: seed, Patience: 60,
		Classes: []Class{{Name: "100 at 1 s", Share: 1, Symbols: 100, Cadence: 1}},
		Market:  Market{Instruments: 1000, Ticks: 8000, Burst: 4},
	}
	storm, err := Storm(lab, c)
	if err != nil {
		return err
	}
	st.check("10,000 clients of 100 instruments come at once, one core: until all are live", c.Storm, storm.All, "basis.json storm.first.seconds")
	lab.Clients = 5000
	drained := newSim("drain", lab, c)
	drained.nodes[0].accepts = float64(c.Accepts)
	drained.do(0, func() { drained.drain(drained.nodes[0], Rolling{Within: 5, Peers: 1}) })
	if last := drained.untilEmpty(); !math.IsNaN(last) {
		st.check("5,000 clients are drained: until the last is closed", drainMeasured, last, "once, by hand, default settings; no result was kept")
	}
	return nil
}

// drainMeasured is the time in seconds in which a node with 5,000 clients and default settings was empty.
const drainMeasured = 3.7

func (st *Study) check(name string, measured, model float64, from string) {
	st.Validation = append(st.Validation, Check{name, measured, model, model/measured - 1, from})
}

// untilEmpty returns when the last client was closed.
func (s *sim) untilEmpty() float64 {
	for {
		e, ok := s.agenda.next()
		if !ok {
			return math.NaN()
		}
		s.now = e.at
		s.happen(e)
		if len(s.nodes[0].live) == 0 {
			return s.now
		}
	}
}

// Case returns one of so many clients by its name, or nil.
func (st *Study) Case(clients int, name string) *Outcome {
	for _, o := range st.Cases {
		if o.Setup.Clients == clients && o.Name == name {
			return o
		}
	}
	return nil
}

// ReadStudy reads one that was kept.
func ReadStudy(path string) (*Study, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	st := new(Study)
	return st, json.Unmarshal(b, st)
}
