package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/feedd/feedd/internal/overload"
)

// Revision is that of Load. A node whose loads have another one is shown, and no client is sent to it.
const Revision = 1

const (
	// root is ahead of the instance in the subject of a load.
	root = "feedd.nodes."
	// All matches the loads of all nodes.
	All = root + "*"
)

// Bounds on what a load may say, in bytes.
const (
	maxLoad = 4096
	maxName = 128
	maxURL  = 512
)

// Load is how a node fares. The fields up to Sent are those of every revision.
type Load struct {
	Revision   int    `json:"revision"`
	Instance   string `json:"instance"` // of one run of the process
	Node       string `json:"node"`     // as operators call it
	Version    string `json:"version"`
	IntervalMS int64  `json:"interval_ms"` // until the next one
	Sent       int64  `json:"sent_us"`     // when, on the node's clock

	Started     int64   `json:"started_us"`
	URL         string  `json:"url,omitempty"` // where clients reach this node alone; empty: nowhere
	Sessions    int     `json:"sessions"`
	FramesPerS  float64 `json:"frames_per_s"`
	BytesPerS   float64 `json:"bytes_per_s"`  // to clients
	CPU         float64 `json:"cpu"`          // share of the processors
	Memory      int64   `json:"memory_bytes"` // that live
	MemoryLimit int64   `json:"memory_limit_bytes"`
	Cores       int     `json:"cores"`
	Accepts     float64 `json:"accepts_per_s_max"`      // the most connections that began in a second
	Admits      float64 `json:"admits_per_s,omitempty"` // its admission rate; 0: any number
	Level       string  `json:"level"`                  // of overload: open, refusing, slowing or shedding
	Refuses     bool    `json:"refuses"`                // newcomers, as all levels do but open, and slowing once that has made room
	Draining    bool    `json:"draining"`
	Interest    string  `json:"interest"`         // all or demand
	Instruments int     `json:"instruments"`      // that it knows
	Carried     int     `json:"carried"`          // of them, those whose ticks it takes in
	Policy      string  `json:"policy,omitempty"` // where that in force comes from: built-in, file or nats; empty: the node does not say
}

// ParseLoad reads a load. One of another revision has its first fields alone.
func ParseLoad(payload []byte) (l Load, err error) {
	if len(payload) > maxLoad {
		return l, fmt.Errorf("load of %d bytes: at most %d", len(payload), maxLoad)
	}
	var common struct {
		Revision   int    `json:"revision"`
		Instance   string `json:"instance"`
		Node       string `json:"node"`
		Version    string `json:"version"`
		IntervalMS int64  `json:"interval_ms"`
		Sent       int64  `json:"sent_us"`
	}
	if err := json.Unmarshal(payload, &common); err != nil {
		return l, fmt.Errorf("load of a node: %w", err)
	}
	l = Load{Revision: common.Revision, Instance: common.Instance, Node: common.Node, Version: common.Version, IntervalMS: common.IntervalMS, Sent: common.Sent}
	if l.Revision == Revision {
		if err := json.Unmarshal(payload, &l); err != nil {
			return l, fmt.Errorf("load of node %.64q: %w", l.Node, err)
		}
	}
	return l, l.validate()
}

func (l *Load) validate() error {
	switch {
	case l.Instance == "" || len(l.Instance) > maxName || strings.ContainsAny(l.Instance, ".*> \t\r\n"):
		return fmt.Errorf("load with instance %.64q: want 1 to %d bytes without dots, wildcards or spaces", l.Instance, maxName)
	case len(l.Node) > maxName || len(l.Version) > maxName:
		return fmt.Errorf("load of instance %s: its name or version is longer than %d bytes", l.Instance, maxName)
	case l.IntervalMS < 10 || l.IntervalMS > 60_000:
		return fmt.Errorf("load of node %.64q with an interval of %d ms: want 10 to 60000", l.Node, l.IntervalMS)
	}
	if l.URL == "" {
		return nil
	}
	if err := CheckURL(l.URL); err != nil {
		return fmt.Errorf("load of node %.64q: %w", l.Node, err)
	}
	return nil
}

// CheckURL reports whether clients can be sent to a URL.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return fmt.Errorf("URL of %d bytes: at most %d", len(text), maxURL)
	case err != nil:
		return errors.New("it cannot be read: want ws://HOST:PORT/v1/ws or wss://HOST/v1/ws")
	case u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("want ws://HOST:PORT/v1/ws or wss://HOST/v1/ws, without a user or fragment")
	}
	return nil
}

// share is how full a node is, from 0 to 1.
func (l *Load) share() float64 {
	share := l.CPU
	if l.MemoryLimit > 0 {
		share = max(share, float64(l.Memory)/float64(l.MemoryLimit))
	}
	return min(max(share, 0), 1)
}

// takes reports whether a node takes clients.
func (l *Load) takes() bool { return l.Revision == Revision && !l.Draining && !l.Refuses }

// able is how many connections it can begin a second.
func (l *Load) able() float64 { return overload.Able(l.Accepts, l.Cores, l.Admits) }

// settled is how long a node is up until it is sent as many clients as any other. One that has just started is the emptiest of
// all, and would get everybody who leaves the next one.
const settled = time.Minute

// room is the weight with which clients are sent to a node.
func (l *Load) room() float64 {
	room := leastRoom + 1 - l.share()
	if l.Level != open {
		room /= 4 // rows come slower there
	}
	up := time.Duration(l.Sent-l.Started) * time.Microsecond // both on its own clock
	return room * min(max(up.Seconds()/settled.Seconds(), 0.1), 1)
}

// leastRoom is what even a full node counts, so that none is ever left out by arithmetic.
const leastRoom = 0.02

// open is the level of a node that gives nothing up.
const open = "open"

func (l *Load) interval() time.Duration { return time.Duration(l.IntervalMS) * time.Millisecond }
