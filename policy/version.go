package policy

import (
	"errors"
	"fmt"
	"time"
)

// Version is a policy as somebody put it in force.
type Version struct {
	Revision uint64    `json:"revision"` // of its source, growing; 0: built in
	Kind     Kind      `json:"kind"`
	Of       uint64    `json:"of,omitempty"` // Rollback and Expiry: the revision that is in force again
	Actor    string    `json:"actor,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Text     string    `json:"text,omitempty"`

	// Of a temporary change: when it ends by itself, and what comes back then.
	Expires    time.Time `json:"expires,omitzero"`
	Before     string    `json:"before,omitempty"`
	BeforeFrom uint64    `json:"before_from,omitempty"` // the revision whose text Before is
}

// Kind is how a version came about.
type Kind string

// Kinds of versions.
const (
	BuiltIn  Kind = "built-in"
	File     Kind = "file"
	Apply    Kind = "apply"
	Rollback Kind = "rollback"
	Halt     Kind = "stop"
	Release  Kind = "release"
	Expiry   Kind = "expiry"
)

// BuiltInText is the policy of a server that was told nothing else.
const BuiltInText = "tiers:\n  default: {}\n"

// Status is how a node stands to its source of policies.
type Status struct {
	Version  Version  `json:"version"` // in force
	Newest   uint64   `json:"newest"`  // revision of the newest version of the source; another one than in force where that is refused
	Source   string   `json:"source"`  // built-in, file or nats
	Place    string   `json:"place"`   // the file or the bucket
	Writable bool     `json:"writable"`
	Stale    bool     `json:"stale"`             // the source cannot be reached, or has lost its policy: this is the last good copy
	Refused  *Refused `json:"refused,omitempty"` // a newer one that this node does not take
}

// Refused is a version that is not in force because something is wrong with it.
type Refused struct {
	Revision uint64   `json:"revision"`
	Problems Problems `json:"problems"`
}

// Node is what a node says of itself and its policy.
type Node struct {
	Node     string    `json:"node"`
	Server   string    `json:"server"` // name and version of the software
	Revision uint64    `json:"revision"`
	State    string    `json:"state"` // applied or refused
	Error    string    `json:"error,omitempty"`
	Time     time.Time `json:"time"`
	Sessions int       `json:"sessions"`
}

// Write is a change that somebody wants.
type Write struct {
	Actor, Reason string
	Expected      uint64        // the revision that it is a change of
	For           time.Duration // 0: for good
}

// ConflictError says that a write was made for another version than the one in force.
type ConflictError struct{ Expected, Current uint64 }

// Error says so in words.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("the policy in force is revision %d, not %d: look at what changed, and try again", e.Current, e.Expected)
}

// Reasons for which nothing can be written.
var (
	ErrReadOnly    = errors.New("the policy comes from a file: change that one")
	ErrUnavailable = errors.New("the policy cannot be read or written now: NATS, or its JetStream, is away")
	ErrNotFound    = errors.New("not found")
)
