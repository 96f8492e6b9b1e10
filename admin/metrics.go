package admin

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/histogram"
)

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

// scrape is what the metrics of one scrape are taken from: all of one moment.
type scrape struct {
	Figures
	version string
	drops   *drop.Counters
}

// metric is a row of the table of metrics.
type metric struct {
	name   string // without the prefix feedd_
	help   string
	labels []string
	take   func(s *scrape, to sink)
	kind   prometheus.ValueType // of to.is
	desc   *prometheus.Desc
}

// sink takes the samples of one metric.
type sink struct {
	*metric
	ch chan<- prometheus.Metric
}

func (s sink) is(v float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(s.desc, s.kind, v, labels...)
}

func (s sink) count(n uint64, labels ...string) { s.is(float64(n), labels...) }

func (s sink) histogram(r histogram.Reading, labels ...string) {
	s.ch <- prometheus.MustNewConstHistogram(s.desc, r.Count, r.Sum, r.Buckets, labels...)
}

// collector turns Figures into metrics.
type collector struct {
	version string
	read    func() Figures
	drops   *drop.Counters
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for i := range table {
		ch <- table[i].desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := &scrape{Figures: c.read(), version: c.version, drops: c.drops}
	for i := range table {
		table[i].take(s, sink{&table[i], ch})
	}
}
