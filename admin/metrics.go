package admin

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/feedd/feedd/internal/drop"
)

// Figures is what a node tells of itself at one moment. Counts run from the start of the process.
type Figures struct {
	// Connections.
	Connections       int               // open now
	Blocked           int               // of those, with bytes that the kernel does not take
	ConnectionsOpened uint64            //
	ConnectionsClosed map[uint16]uint64 // by close code

	// Fan-out.
	FramesSent, BytesSent uint64
	CutLatenessMax        float64 // seconds

	// Ingest.
	Ticks                   map[string]uint64 // by channel
	Gaps                    uint64            // holes noticed in the numbers of a feed, filled later or not
	Held                    int               // trades that wait behind a hole now
	Instruments             int
	Sources, SourcesSuspect int
	LastTick                float64 // seconds since the Unix epoch; 0: none yet
	NATSConnected           bool

	// Checkpoints. All are 0 until this process has written one.
	CheckpointTime  float64 // when the last good one was begun, in seconds since the Unix epoch
	CheckpointTook  float64 // seconds
	CheckpointBytes int64

	// The certificate of the public listener; 0 without TLS.
	CertificateNotAfter float64 // seconds since the Unix epoch
	CertificateRefused  bool    // what lies on disk cannot be used
}

// NewRegistry returns a registry with feedd's metrics and those of the Go runtime. read is called for
// each scrape, from any goroutine. Every drop reason is there from the start, at zero, so that an alert
// on its rate works the first time it happens.
func NewRegistry(version string, read func() Figures, drops *drop.Counters) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{version: version, read: read, drops: drops},
	)
	return r
}

// collector turns Figures into metrics, all of one moment.
type collector struct {
	version string
	read    func() Figures
	drops   *drop.Counters
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("feedd_"+name, help, labels, nil)
}

var (
	descBuild             = describe("build_info", "Always 1; the label names the version.", "version")
	descConnections       = describe("connections", "Open WebSocket connections.")
	descBlocked           = describe("connections_blocked", "Connections with bytes that the kernel does not take yet.")
	descConnectionsOpened = describe("connections_opened_total", "WebSocket connections ever opened.")
	descConnectionsClosed = describe("connections_closed_total", "WebSocket connections ended, by close code.", "code")
	descFrames            = describe("frames_sent_total", "Frames sent to clients.")
	descBytes             = describe("bytes_sent_total", "Bytes of frames sent to clients.")
	descConflated         = describe("conflated_total", "Ticks merged into a later row, over all clients.")
	descCutLateness       = describe("cut_lateness_max_seconds", "The most that a cut came behind its beat since the start.")
	descTicks             = describe("ingest_ticks_total", "Ticks applied, by channel.", "channel")
	descGaps              = describe("ingest_gaps_total", "Gaps found in the numbers of a feed.")
	descHeld              = describe("ingest_held_trades", "Trades that wait behind a gap to be filled.")
	descInstruments       = describe("instruments", "Instruments known.")
	descSources           = describe("sources", "Sources known.")
	descSourcesSuspect    = describe("sources_suspect", "Sources that are silent beyond their heartbeat.")
	descLastTick          = describe("ingest_last_tick_timestamp_seconds", "When the last tick came in.")
	descNATS              = describe("nats_connected", "1 while the connection to NATS stands.")
	descCheckpointTime    = describe("checkpoint_timestamp_seconds", "When the last checkpoint that could be written was begun; 0: none yet.")
	descCheckpointTook    = describe("checkpoint_duration_seconds", "How long the last checkpoint took to write.")
	descCheckpointBytes   = describe("checkpoint_size_bytes", "How large the last checkpoint is.")
	descCertificate       = describe("tls_certificate_not_after_timestamp_seconds", "When the certificate in use expires; 0: no TLS.")
	descCertificateBad    = describe("tls_certificate_refused", "1 while the certificate on disk cannot be used, and the one before stays.")
	descDropped           = describe("dropped_total", "What was refused, discarded, merged or lost, by reason.", "reason")
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	f := c.read()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descBuild, 1, c.version)

	gauge(descConnections, float64(f.Connections))
	gauge(descBlocked, float64(f.Blocked))
	count(descConnectionsOpened, f.ConnectionsOpened)
	for code, n := range f.ConnectionsClosed {
		count(descConnectionsClosed, n, strconv.Itoa(int(code)))
	}

	count(descFrames, f.FramesSent)
	count(descBytes, f.BytesSent)
	count(descConflated, c.drops.Count(drop.Conflated))
	gauge(descCutLateness, f.CutLatenessMax)

	for channel, n := range f.Ticks {
		count(descTicks, n, channel)
	}
	count(descGaps, f.Gaps)
	gauge(descHeld, float64(f.Held))
	gauge(descInstruments, float64(f.Instruments))
	gauge(descSources, float64(f.Sources))
	gauge(descSourcesSuspect, float64(f.SourcesSuspect))
	gauge(descLastTick, f.LastTick)
	gauge(descNATS, flag(f.NATSConnected))

	gauge(descCheckpointTime, f.CheckpointTime)
	gauge(descCheckpointTook, f.CheckpointTook)
	gauge(descCheckpointBytes, float64(f.CheckpointBytes))

	gauge(descCertificate, f.CertificateNotAfter)
	gauge(descCertificateBad, flag(f.CertificateRefused))

	for r := range drop.Reasons {
		count(descDropped, c.drops.Count(r), r.String())
	}
}

func flag(set bool) float64 {
	if set {
		return 1
	}
	return 0
}
