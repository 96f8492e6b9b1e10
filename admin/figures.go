package admin

import "github.com/feedd/feedd/internal/histogram"

// Figures is what a node tells of itself at one moment. Counts run from the start of the process; times are seconds since
// the Unix epoch, and 0 where there is none.
type Figures struct {
	// Connections.
	Connections           int               // open now
	Blocked               int               // of those, with bytes that the kernel does not take
	PendingBytes          int               // of those bytes
	ConnectionsOpened     uint64            //
	ConnectionsClosed     map[uint16]uint64 // by close code
	HandshakesRefused     map[int]uint64    // by HTTP status
	Stalls                uint64            // frames that the kernel did not take at once
	SlowedDown, SpedUp    uint64            // steps of sessions that do not keep up, and of those that do again
	MessagesIn, BytesIn   uint64
	DeflateIn, DeflateOut uint64 // bytes before and after
	DeflateSeconds        float64
	DeflateHeld           uint64 // frames
	Transports            []Transport

	// Fan-out.
	FramesSent, BytesSent uint64
	CutLatenessMax        float64 // seconds
	Cadences              []Cadence

	// Ingest.
	Ticks                   map[string]uint64 // by channel
	Transit                 histogram.Reading // exchange to ingest
	AheadOfClock            uint64            // ticks that were made later than they came
	Gaps                    uint64            // holes noticed in the numbers of a feed, filled later or not
	Held                    int               // trades that wait behind a hole now
	Instruments             int
	Sources, SourcesSuspect int
	SourcesHeard            []Source
	LastTick                float64
	NATSConnected           bool
	StreamRecords           bool
	NATSReconnects          uint64

	// Of the other nodes that are heard of.
	Nodes, NodesDraining, NodesSilent, NodesStrange, NodesNamesakes, NodesClockOff int
	ClockBehind                                                                    float64 // seconds

	// With --interest demand; else 0.
	InterestHeld, InterestCarried, InterestWaiting int
	InterestMade, InterestDropped                  uint64
	ColdStarts                                     histogram.Reading

	// The throttle policy in force.
	PolicyRevision             uint64
	PolicyStale, PolicyRefused bool

	// Load.
	Admission               uint8   // 0 open, 1 refusing, 2 slowing, 3 shedding
	Refusing                bool    // newcomers: at 1 and 3, and at 2 until slower rows have made room
	MemoryLive, MemoryLimit float64 // bytes; limit 0: none
	ProcessorShare          float64
	AcceptsMax              float64 // the most connections that began in a second
	Draining                bool

	// Checkpoints. All are 0 until this process has written one.
	CheckpointTime  float64 // when the last good one was begun
	CheckpointTook  float64 // seconds
	CheckpointBytes int64

	// The certificate of the public listener. 0: there is no TLS.
	CertificateNotAfter float64
	CertificateRefused  bool // what lies on disk cannot be used
}

// Transport is the part of the connections that run over one transport.
type Transport struct {
	Name          string
	Open          []OverHTTP
	Opened        uint64
	Frames, Bytes uint64
}

// OverHTTP is how many open connections of a transport began over a version of HTTP.
type OverHTTP struct {
	Version     string
	Connections int
}

// Cadence is the figures of one cadence.
type Cadence struct {
	Name                 string
	Age, Late, Flush     histogram.Reading
	Lanes, Subscriptions int64
}

// Source is a source and when it was last heard.
type Source struct {
	Name    string
	Heard   float64
	Suspect bool
	Rivals  uint64 // heartbeats of another publisher under its name
}
