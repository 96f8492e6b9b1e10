package control

import (
	"context"
	"time"

	"github.com/feedd/feedd/policy"
)

// Policies is the node's hold on its policy. Its methods may be called from any goroutine.
type Policies interface {
	Status() policy.Status
	History(ctx context.Context) ([]policy.Version, error)
	Version(ctx context.Context, revision uint64) (policy.Version, error)
	Nodes(ctx context.Context) ([]policy.Node, error)
	Apply(ctx context.Context, text string, w policy.Write) error
	Rollback(ctx context.Context, to uint64, w policy.Write) error
	Stop(ctx context.Context, s *policy.Stop, w policy.Write) error
	Release(ctx context.Context, name string, w policy.Write) error
}

// Node is what operators see and do of the rest of a node. Its methods may be called from any goroutine.
type Node interface {
	Gate
	Overview() Overview
	// Loads returns how this node and the others that are heard of fare, this one first and those that fell silent last.
	Loads() []NodeLoad
	// Sessions returns those of a tier, all with "", in no order.
	Sessions(tier string) []Session
	// Cut ends a session; false: there is none of that id.
	Cut(id, reason string) bool
	// Preview says what a policy would do to the sessions of this moment.
	Preview(d *policy.Document) Effect
	// Drain begins to see all clients off, and returns.
	Drain(reason string)
}

// NodeLoad is how a node fares, as it says itself.
type NodeLoad struct {
	Node        string    `json:"node"`
	Instance    string    `json:"instance"`
	This        bool      `json:"this,omitempty"` // the one that answers
	Version     string    `json:"version"`
	Compatible  bool      `json:"compatible"` // else it speaks another revision, and the rest is not known
	Namesake    bool      `json:"namesake"`   // another one bears the same name
	URL         string    `json:"url,omitempty"`
	Started     time.Time `json:"started"`
	Heard       time.Time `json:"heard"`
	ClockMS     float64   `json:"clock_ms"`         // how far its clock is ahead of that of the node that answers
	Silent      bool      `json:"silent,omitempty"` // it is not heard any more, and did not say that it drains
	Level       string    `json:"level"`
	Refuses     bool      `json:"refuses"` // newcomers
	Draining    bool      `json:"draining"`
	Sessions    int       `json:"sessions"`
	FramesPerS  float64   `json:"frames_per_s"`
	BytesPerS   float64   `json:"bytes_per_s"`
	Cores       int       `json:"cores"`
	CPU         float64   `json:"cpu"` // of these, as a share
	Memory      int64     `json:"memory_bytes"`
	MemoryLimit int64     `json:"memory_limit_bytes"`
	Interest    string    `json:"interest"`
	Instruments int       `json:"instruments"`      // that it knows
	Carried     int       `json:"carried"`          // of them, those whose ticks it takes in
	Policy      string    `json:"policy,omitempty"` // where that in force comes from: built-in, file or nats; empty: the node does not say
}

// Overview is what a node does at one moment. Totals run from the start of the process.
type Overview struct {
	Time     time.Time `json:"time"`
	Node     string    `json:"node"`
	Server   string    `json:"server"`
	Started  time.Time `json:"started"`
	Draining bool      `json:"draining"`

	Policy   PolicyLine   `json:"policy"`
	Sessions SessionCount `json:"sessions"`
	Lanes    []Lanes      `json:"lanes"`

	Instruments   int      `json:"instruments"`
	Sources       []Source `json:"sources"`
	NATSConnected bool     `json:"nats_connected"`
	Totals        Totals   `json:"totals"`
}

// PolicyLine is the policy in force in a few words.
type PolicyLine struct {
	Revision uint64    `json:"revision"`
	Source   string    `json:"source"`
	Stale    bool      `json:"stale"`
	Refused  bool      `json:"refused"`
	Expires  time.Time `json:"expires,omitzero"`
}

// SessionCount is how many sessions there are.
type SessionCount struct {
	Open    int            `json:"open"`
	Blocked int            `json:"blocked"` // whose connection takes nothing at the moment
	ByTier  map[string]int `json:"by_tier"`
	Slowed  map[string]int `json:"slowed"` // by reason
}

// Lanes are the sessions' subscriptions of one cadence.
type Lanes struct {
	Cadence    string `json:"cadence"`
	IntervalMS int64  `json:"interval_ms"`
	Lanes      int    `json:"lanes"`
	Lagging    int    `json:"lagging"` // behind the last cut
	Views      int    `json:"views"`   // that each cut looks at
	Cohorts    int    `json:"cohorts"` // different frames in each cut
}

// Source is where ticks come from.
type Source struct {
	Name    string `json:"name"`
	Stream  string `json:"stream"`
	Quality string `json:"quality"`
	Reason  string `json:"reason"`
}

// Totals are counts since the start of the process.
type Totals struct {
	Frames            uint64            `json:"frames"`
	Bytes             uint64            `json:"bytes"`
	Ticks             map[string]uint64 `json:"ticks"` // by channel
	Gaps              uint64            `json:"gaps"`
	ConnectionsOpened uint64            `json:"connections_opened"`
	ConnectionsClosed map[string]uint64 `json:"connections_closed"` // by close code
	CutLatenessMaxMS  float64           `json:"cut_lateness_max_ms"`
	Drops             map[string]uint64 `json:"drops"` // by reason
}

// Session is one client.
type Session struct {
	ID            string         `json:"id"`
	Tier          string         `json:"tier"`
	Subject       string         `json:"subject"`
	Client        string         `json:"client"`
	Remote        string         `json:"remote"`
	Transport     string         `json:"transport"` // websocket, sse, stream, poll or webtransport
	Encoding      string         `json:"encoding"`
	Opened        time.Time      `json:"opened"`
	Busy          bool           `json:"busy"` // in the middle of a request: the next four are left out
	Subscriptions int            `json:"subscriptions"`
	Instruments   int            `json:"instruments"`
	Patterns      int            `json:"patterns"`
	Cadences      map[string]int `json:"cadences"`
	Slowed        *Slowed        `json:"slowed,omitempty"`
	Frames        uint64         `json:"frames"`
	Bytes         uint64         `json:"bytes"`
	BytesPerS     float64        `json:"bytes_per_second"`
	Ceiling       int            `json:"ceiling"` // bytes a second; 0: none
	Blocked       bool           `json:"blocked"`
}

// Slowed says that a session is sent less often than its policy allows.
type Slowed struct {
	Reason string    `json:"reason"` // congestion, bandwidth or lag
	Floor  string    `json:"floor"`  // the fastest cadence at present
	Since  time.Time `json:"since"`
}

// Effect is what a policy would do.
type Effect struct {
	Sessions      int     `json:"sessions"`
	Subscriptions int     `json:"subscriptions"`
	Lanes         int     `json:"lanes"`
	OfSessions    int     `json:"of_sessions"`
	OfLanes       int     `json:"of_lanes"`
	NotLookedAt   int     `json:"not_looked_at"`
	Moves         []Move  `json:"moves"`
	Withdrawn     int     `json:"withdrawn"`
	Replaced      int     `json:"replaced"`
	Frames        Traffic `json:"frames_per_second"`
	Bytes         Traffic `json:"bytes_per_second"`
}

// Move is a change of cadence.
type Move struct {
	Tier          string `json:"tier"`
	From          string `json:"from"`
	To            string `json:"to"`
	Subscriptions int    `json:"subscriptions"`
	Sessions      int    `json:"sessions"`
}

// Traffic is a rate now, and an estimate of it then.
type Traffic struct {
	Now  float64 `json:"now"`
	Then float64 `json:"then"`
}

// StopRequest is a kill switch as it is asked for.
type StopRequest struct {
	Name     string   `json:"name,omitempty"` // empty: one is made
	Symbols  []string `json:"symbols"`
	Tiers    []string `json:"tiers,omitempty"`
	Channels []string `json:"channels,omitempty"`
	For      string   `json:"for,omitempty"` // such as 15m; empty: until it is released
}
