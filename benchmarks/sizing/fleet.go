package sizing

import "math"

// How full nodes are meant to be, and the machines that they run on.
const (
	zones = 3
	// fullest is the share of a node's cores that serving may take when a zone is gone; the rest is for joins and bursts.
	fullest = 0.6
)

// Shape is a machine.
type Shape struct {
	Cores float64 `json:"cores"`
	Bytes float64 `json:"memory_bytes"`
}

// Fleet is what so many clients need.
type Fleet struct {
	Clients int   `json:"clients"`
	Nodes   int   `json:"nodes"`
	Shape   Shape `json:"shape"`

	Sessions      float64 `json:"sessions_per_node"`
	WithoutNode   float64 `json:"sessions_per_node_without_one"`
	WithoutZone   float64 `json:"sessions_per_node_without_a_zone"`
	Serving       float64 `json:"cores_serving_per_node"`
	Ingesting     float64 `json:"cores_ingest_per_node"`
	Full          float64 `json:"cpu_share"`
	FullLostNode  float64 `json:"cpu_share_without_a_node"`
	FullLostZone  float64 `json:"cpu_share_without_a_zone"`
	Memory        float64 `json:"memory_bytes_per_node"`           // without a zone, in a storm, garbage, kernel and all
	Egress        float64 `json:"egress_bits_per_s"`               // of the fleet, headers and all
	EgressNode    float64 `json:"egress_bits_per_s_per_node"`      // without a zone
	Descriptors   int     `json:"descriptors_per_node"`            // without a zone
	SourceAddress int     `json:"balancer_addresses_per_node"`     // each has 55,000 ports towards a node
	JoinRate      float64 `json:"joins_per_s_per_node"`            // that the cores left can take when a zone is gone
	AdmissionRate int     `json:"admission_rate"`                  // half of that
	Handshakes    float64 `json:"tls_handshakes_core_s"`           // of all clients once, where TLS ends
	NATSAll       float64 `json:"nats_bits_per_s_all"`             // out of NATS when every node takes everything
	NATSDemand    float64 `json:"nats_bits_per_s_demand"`          // when each takes what its clients look at
	Wanted        float64 `json:"instruments_wanted_per_node"`     // share that somebody on a node looks at
	Cost          []Share `json:"cpu_shares_by_class"`             // what drives the cost
	Cadence       float64 `json:"cpu_per_session_at_half_cadence"` // to that at the cadence of the mix: every cadence twice as slow
}

// Share is a class's part of the cost.
type Share struct {
	Class    string  `json:"class"`
	Sessions float64 `json:"sessions"`
	CPU      float64 `json:"cpu"`
	Egress   float64 `json:"egress"`
}

const (
	ports       = 55_000 // that one address has towards another
	filesBeside = 200    // listeners, NATS, files
)

// cell is how many clients share one NATS and one set of balancers at most: a wave is no larger than that.
const cell = 1_000_000

// SizeOf returns the fleet of machines of one shape for so many clients.
func SizeOf(clients int, shape Shape, classes []Class, m Market, c *Costs) Fleet {
	if clients > cell {
		return cells(clients, shape, classes, m, c)
	}
	need := NeedOf(classes, m, c)
	f := Fleet{Clients: clients, Shape: shape, Ingesting: m.Ticks * c.Tick}
	// With a zone gone two thirds of the nodes serve everybody.
	room := shape.Cores*fullest - f.Ingesting
	left := math.Ceil(float64(clients) * need.CPU / room)
	f.Nodes = zones * int(math.Max(1, math.Ceil(left/(zones-1))))
	n := float64(f.Nodes)
	f.Sessions, f.WithoutNode, f.WithoutZone = float64(clients)/n, float64(clients)/(n-1), float64(clients)/(n*(zones-1)/zones)
	full := func(sessions float64) float64 { return (sessions*need.CPU + f.Ingesting) / shape.Cores }
	f.Serving = f.Sessions * need.CPU
	f.Full, f.FullLostNode, f.FullLostZone = full(f.Sessions), full(f.WithoutNode), full(f.WithoutZone)
	lives := c.state(m.Instruments) + f.WithoutZone*need.Memory*c.Peak
	f.Memory = c.Base + lives + garbage(lives) + f.WithoutZone*need.Kernel
	f.Egress, f.EgressNode = float64(clients)*need.Wire*8, f.WithoutZone*need.Wire*8
	f.Descriptors = int(f.WithoutZone) + filesBeside
	f.SourceAddress = int(math.Ceil(f.WithoutZone / ports))
	f.JoinRate = shape.Cores * (1 - f.FullLostZone) / need.Join
	f.AdmissionRate = int(f.JoinRate/2/100) * 100
	f.Handshakes = float64(clients) * c.Handshake
	instruments, ticks := m.Wanted(classes, f.Sessions)
	f.Wanted = instruments
	f.NATSAll = n * m.Ticks * c.TickBytes * 8
	f.NATSDemand = f.NATSAll * ticks
	f.Cost = shares(classes, m, c, need)
	f.Cadence = NeedOf(slower(classes), m, c).CPU / need.CPU
	return f
}

// cells is as many fleets of one cell as it takes.
func cells(clients int, shape Shape, classes []Class, m Market, c *Costs) Fleet {
	n := (clients + cell - 1) / cell
	f := SizeOf((clients+n-1)/n, shape, classes, m, c)
	f.Clients, f.Nodes = clients, n*f.Nodes
	f.Handshakes *= float64(n)
	f.Egress, f.NATSAll, f.NATSDemand = float64(n)*f.Egress, float64(n)*f.NATSAll, float64(n)*f.NATSDemand
	return f
}

func slower(classes []Class) []Class {
	var all []Class
	for _, k := range classes {
		k.Cadence *= 2
		all = append(all, k)
	}
	return all
}

func shares(classes []Class, m Market, c *Costs, whole Need) []Share {
	var all []Share
	for _, k := range classes {
		share := k.Share
		k.Share = 1
		n := NeedOf([]Class{k}, m, c)
		all = append(all, Share{k.Name, share, share * n.CPU / whole.CPU, share * n.Wire / whole.Wire})
	}
	return all
}
