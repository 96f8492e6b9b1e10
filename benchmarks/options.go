package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/load"
)

// options are the command line. What has a JSON name decides the figures and is kept with them.
type options struct {
	Scenario     string        `json:"scenario"`
	Sessions     int           `json:"sessions"`
	Instruments  int           `json:"instruments"`
	PerSession   int           `json:"per_session"`
	TickHz       float64       `json:"tick_hz"`
	Burst        float64       `json:"burst"`
	Cadence      time.Duration `json:"cadence_ns"`
	Distribution string        `json:"distribution"`
	Cohorts      int           `json:"cohorts"`
	Seed         uint64        `json:"seed"`
	Probes       int           `json:"probes"`
	Window       time.Duration `json:"window_ns"`
	Warmup       time.Duration `json:"warmup_ns"`
	Rounds       int           `json:"rounds"`
	Pin          string        `json:"pin"`
	Speak        string        `json:"speak"`
	Deflate      string        `json:"deflate"`
	TLS          bool          `json:"tls"`
	Peers        string        `json:"peers,omitempty"`
	Curve        string        `json:"curve,omitempty"`
	Duration     time.Duration `json:"duration_ns,omitempty"`

	json     bool
	save     string
	server   string
	against  string
	profile  string
	ticks    string
	plot     string
	profiles string
}

// What -deflate takes.
const (
	deflateOff    = "off"
	deflateAuto   = "auto"
	deflateAlways = "always"
)

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage); fs.PrintDefaults() }
	fs.StringVar(&o.Scenario, "scenario", "fanout", "what to measure: "+strings.Join(slices.Sorted(maps.Keys(scenarios)), ", "))
	fs.IntVar(&o.Sessions, "sessions", 5000, "sessions, at most 19000 (latency: 20; ways: 1000; storm, stuck and throttle: 10000)")
	fs.IntVar(&o.Instruments, "instruments", 200, "instruments that are published (storm: 1000)")
	fs.IntVar(&o.PerSession, "per-session", 20, "instruments that a session subscribes to (storm: 100)")
	fs.Float64Var(&o.TickHz, "tick-hz", 40, "ticks a second and instrument (storm: 8)")
	fs.Float64Var(&o.Burst, "burst", 4, "ticks that come together in one message, on average")
	fs.DurationVar(&o.Cadence, "cadence", 250*time.Millisecond, "cadence that sessions ask for; 0s: immediate (latency: 0s, rows and books: 100ms, storm: 1s)")
	fs.StringVar(&o.Distribution, "distribution", load.Uniform, "of subscriptions over instruments: uniform or zipf")
	fs.IntVar(&o.Cohorts, "cohorts", 0, "distinct sets of subscriptions; 0: each session draws its own")
	fs.Uint64Var(&o.Seed, "seed", 1, "of everything random")
	fs.IntVar(&o.Probes, "probes", 16, "of the sessions, those that decode and check everything")
	fs.DurationVar(&o.Window, "window", 15*time.Second, "how long each measurement takes")
	fs.DurationVar(&o.Warmup, "warmup", 5*time.Second, "how long things settle ahead of one")
	fs.IntVar(&o.Rounds, "rounds", 1, "measurements of the floor (0: none); the server is measured before, between and after them. curve, peers: how often all are measured, in turns, of which peers and the curve ticks keep the quieter half. stuck: turns, of which the middle one counts")
	fs.StringVar(&o.Pin, "pin", "auto", "keep the server on a core of its own: on, off, or auto (on where there are two; latency: off)")
	fs.StringVar(&o.Speak, "speak", load.Feed, "what sessions speak: "+load.Feed+" (binary) or "+load.FeedJSON)
	fs.StringVar(&o.Deflate, "deflate", deflateOff, "compression: off (sessions do not offer it), auto (the server chooses), or always")
	fs.BoolVar(&o.TLS, "tls", false, "feedd's sessions speak TLS")
	fs.StringVar(&o.Curve, "curve", "", "what grows in -scenario curve: "+curveNames())
	fs.StringVar(&o.Peers, "peers", "", "of feedd and its peers, those to measure, such as feedd,latest; empty: all")
	fs.DurationVar(&o.Duration, "duration", 0, "how long -scenario soak goes on; 0s: 10m")
	fs.StringVar(&o.profiles, "profiles", "", "have -scenario soak write the server's heap profile once a minute into `DIR`, to see what grows")
	fs.StringVar(&o.plot, "plot", "", "draw what -scenario soak saw into `FILE`, as SVG")
	fs.BoolVar(&o.json, "json", false, "print the result as JSON instead of a table")
	fs.StringVar(&o.save, "save", "", "also write the result to results/`NAME`.json")
	fs.StringVar(&o.server, "server", "", "feedd binary to measure; empty: built from this checkout")
	fs.StringVar(&o.against, "against", "", "another feedd binary, which takes turns with -server in -scenario peers")
	fs.StringVar(&o.profile, "profile", "", "write a CPU profile of the server to `FILE`, taken over one more window")
	fs.StringVar(&o.ticks, "ticks", os.Getenv("FEEDD_TICKS"), "`directory` of recordings, for rows and books")
	if err := fs.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return o, err
		}
		return o, usageError{err}
	}
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch o.Scenario {
	case "latency":
		o.latencyDefaults(given)
	case "rows", "books":
		if !given["cadence"] {
			o.Cadence = 100 * time.Millisecond
		}
	case "restart":
		o.restartDefaults(given)
	case "cold":
		o.coldDefaults(given)
	case "soak":
		o.soakDefaults(given)
	case "curve":
		o.curveDefaults(given)
	case "ingest":
		o.ingestDefaults(given)
	case "mix":
		o.mixDefaults(given)
	case "ways":
		o.waysDefaults(given)
	case "storm", "stuck", "throttle":
		o.crowdDefaults(given)
	}
	if fs.NArg() > 0 {
		return o, usageError{fmt.Errorf("unknown argument %q: want flags, or compare A B", fs.Arg(0))}
	}
	if err := o.validate(); err != nil {
		return o, usageError{err}
	}
	return o, nil
}

// latencyDefaults replaces what makes sense for a crowd only: a few sessions, each of which decodes
// everything, get every change at once; and nobody is pinned, since feedd adds a hop on a core of its own that
// its peer would be spared.
func (o *options) latencyDefaults(given map[string]bool) {
	if !given["sessions"] {
		o.Sessions = 20
	}
	if !given["cadence"] {
		o.Cadence = 0
	}
	if o.Pin == "auto" {
		o.Pin = "off"
	}
	if !given["probes"] {
		o.Probes = o.Sessions
	}
}

// curveDefaults choose what stays the same so that the far end of the curve fits one core.
func (o *options) curveDefaults(given map[string]bool) {
	set := func(flag string, f func()) {
		if !given[flag] {
			f()
		}
	}
	switch o.Curve {
	case "sessions":
		set("cadence", func() { o.Cadence = 500 * time.Millisecond })
	case "instruments":
		set("sessions", func() { o.Sessions = 1000 })
		set("instruments", func() { o.Instruments = 500 })
		set("tick-hz", func() { o.TickHz = 20 })
	case "ticks":
		// Single ticks, so that from the start nearly every instrument changes between two cuts: else rows would grow with
		// the ticks, and the cost with the rows.
		set("sessions", func() { o.Sessions = 2500 })
		set("tick-hz", func() { o.TickHz = 20 })
		set("burst", func() { o.Burst = 1 })
	case "cadence":
		set("sessions", func() { o.Sessions = 1000 })
	case "cores":
		set("sessions", func() { o.Sessions = 2500 })
	}
}

// ingestDefaults make 400,000 ticks a second, in the batches in which a busy market has them.
func (o *options) ingestDefaults(given map[string]bool) {
	if !given["tick-hz"] {
		o.TickHz = 2000
	}
	if !given["burst"] {
		o.Burst = 20
	}
}

// mixDefaults make a universe of which most is quiet, and a window that holds two bursts.
func (o *options) mixDefaults(given map[string]bool) {
	if !given["instruments"] {
		o.Instruments = 2000
	}
	if !given["tick-hz"] {
		o.TickHz = 4
	}
	if !given["window"] {
		o.Window = 2 * mixSurgeEvery
	}
}

// waysDefaults make as many sessions as one core serves in the dearest way.
func (o *options) waysDefaults(given map[string]bool) {
	if !given["sessions"] {
		o.Sessions = 1000
	}
}

// crowdDefaults make 10,000 sessions: in a storm with 100 instruments each, beside those that are stuck with enough probes
// to tell a p99.
func (o *options) crowdDefaults(given map[string]bool) {
	if !given["sessions"] {
		o.Sessions = 10_000
	}
	switch {
	case o.Scenario == "storm":
		if !given["instruments"] {
			o.Instruments = 1000
		}
		if !given["per-session"] {
			o.PerSession = 100
		}
		if !given["tick-hz"] {
			o.TickHz = 8
		}
		if !given["cadence"] {
			o.Cadence = time.Second
		}
	case o.Scenario == "stuck" && !given["probes"]:
		o.Probes = min(200, o.Sessions/2)
	}
}

// restartDefaults make a large universe of which each instrument is quiet.
func (o *options) restartDefaults(given map[string]bool) {
	if !given["instruments"] {
		o.Instruments = 10_000
	}
	if !given["tick-hz"] {
		o.TickHz = 0.5
	}
	if !given["warmup"] {
		o.Warmup = 2 * time.Second
	}
}

// coldDefaults make a universe whose instruments hardly tick, so that their first values come out of the past.
func (o *options) coldDefaults(given map[string]bool) {
	if !given["rounds"] {
		o.Rounds = 3
	}
	if !given["instruments"] {
		o.Instruments = coldOnes + o.Rounds*coldMany
	}
	if !given["tick-hz"] {
		o.TickHz = 0.01
	}
	if !given["warmup"] {
		o.Warmup = 2 * time.Second
	}
}

// soakDefaults make a load that leaves most of two cores alone, for hours if need be.
func (o *options) soakDefaults(given map[string]bool) {
	if !given["sessions"] {
		o.Sessions = 300
	}
	if !given["instruments"] {
		o.Instruments = 100
	}
	if !given["tick-hz"] {
		o.TickHz = 8
	}
	if !given["pin"] {
		o.Pin = "off"
	}
	if o.Duration == 0 {
		o.Duration = 10 * time.Minute
	}
	if !given["warmup"] {
		// Until buffers and pools have met the worst of each fault that they will.
		o.Warmup = max(time.Second, min(o.Duration/4, 10*time.Minute))
	}
}

// maxSessions leaves some of the 20,000 descriptors that a process commonly may open.
const maxSessions = 19_000

func (o *options) validate() error {
	switch {
	case scenarios[o.Scenario] == nil:
		return fmt.Errorf("-scenario %s: want one of %s", o.Scenario, strings.Join(slices.Sorted(maps.Keys(scenarios)), ", "))
	case o.Sessions < 1 || o.Sessions > maxSessions:
		return fmt.Errorf("-sessions %d: want 1 to %d", o.Sessions, maxSessions)
	case o.TickHz <= 0:
		return fmt.Errorf("-tick-hz %g: want more than 0", o.TickHz)
	case o.Burst < 1:
		return fmt.Errorf("-burst %g: want at least 1", o.Burst)
	case o.Cadence == 0 && (o.Scenario == "rows" || o.Scenario == "books" || o.Scenario == "compress"):
		return fmt.Errorf("-cadence 0s: want more than 0 for -scenario %s", o.Scenario)
	case o.Cadence < 0 || o.Cadence%time.Millisecond != 0:
		return fmt.Errorf("-cadence %v: want 0s or whole milliseconds", o.Cadence)
	case o.Scenario == "curve" && curves[o.Curve].points == nil:
		return fmt.Errorf("-curve %s: want one of %s", o.Curve, curveNames())
	case o.Probes < 1 || o.Probes > o.Sessions:
		return fmt.Errorf("-probes %d: want 1 to the number of sessions", o.Probes)
	case o.Window < time.Second || o.Window > 10*time.Minute:
		return fmt.Errorf("-window %v: want 1s to 10m", o.Window)
	case o.Warmup < time.Second || o.Warmup > 10*time.Minute:
		return fmt.Errorf("-warmup %v: want 1s to 10m", o.Warmup)
	case o.Scenario == "soak" && (o.Duration < o.Warmup+leastSoak || o.Duration > 24*time.Hour):
		return fmt.Errorf("-duration %v: want at least %v more than -warmup, at most a day", o.Duration, leastSoak)
	case o.Rounds < 0 || o.Rounds > 100 || o.Rounds == 0 && o.Scenario != "fanout":
		return fmt.Errorf("-rounds %d: want 1 to 100, or 0 for -scenario fanout", o.Rounds)
	case o.Speak != load.Feed && o.Speak != load.FeedJSON:
		return fmt.Errorf("-speak %s: want %s or %s", o.Speak, load.Feed, load.FeedJSON)
	case o.Deflate != deflateOff && o.Deflate != deflateAuto && o.Deflate != deflateAlways:
		return fmt.Errorf("-deflate %s: want %s, %s or %s", o.Deflate, deflateOff, deflateAuto, deflateAlways)
	case o.Pin != "auto" && o.Pin != "on" && o.Pin != "off":
		return fmt.Errorf("-pin %s: want on, off or auto", o.Pin)
	}
	return o.choice().Validate()
}

func (o *options) choice() load.Choice {
	return load.Choice{
		Instruments: o.Instruments, PerSession: o.PerSession, Distribution: o.Distribution, Cohorts: o.Cohorts, Seed: o.Seed,
	}
}
