package load

import (
	"fmt"
	"net/netip"
	"time"
)

// What a session speaks.
const (
	Feed       = "feed"       // feedd.v1.proto
	FeedJSON   = "feed-json"  // feedd.v1.json
	Centrifuge = "centrifuge" // centrifuge-protobuf
	Broadcast  = "broadcast"  // frames of whole quotes, the same for all: nothing is asked for
	NATS       = "nats"       // the client protocol of NATS over WebSocket; every session decodes what it gets
	Raw        = "raw"        // WebSocket frames from the first byte: no upgrade, no subscription
)

// Config says what to connect to, and as whom.
type Config struct {
	// Address is an IP address and port. Only loopback addresses are accepted: a benchmark must not become
	// a flood of somebody's server.
	Address string `json:"address"`
	// Symbols of all instruments, by number.
	Symbols []string `json:"symbols"`
	// Groups are the sessions, by what they do; a group's sessions connect before those of the next one.
	Groups []Group `json:"groups"`
	// InFlight is how many sessions connect at the same time; 0: 128, as many as trickle in on a normal day.
	InFlight int `json:"in_flight,omitempty"`
	// Gather, in microseconds, is how long the loop lets frames collect before it looks again; 0: not at all. Without it
	// a server pays for waking this process with nearly every frame, the more so the slower it is. Clients on
	// machines of their own, behind network cards that gather interrupts, cost a server nothing like that.
	Gather int `json:"gather"`
}

// Group is sessions that do the same.
type Group struct {
	Name     string `json:"name,omitempty"`
	Speak    string `json:"speak"`
	Sessions int    `json:"sessions"`
	// Probes is how many of the sessions decode and check everything.
	Probes int `json:"probes"`
	// Choice of the instruments of each session.
	Choice Choice `json:"choice"`
	// Subscribe is what each session asks for; none: quotes of all its instruments at Cadence.
	Subscribe []Subscription `json:"subscribe,omitempty"`
	// CadenceMS of what is subscribed, in milliseconds; 0: at once.
	CadenceMS uint32 `json:"cadence_ms"`
	// Busy says that every beat has something for each session, so that one without a frame was missed.
	Busy bool `json:"busy,omitempty"`
	// Hidden sessions say that nobody looks at them, once they are live.
	Hidden bool `json:"hidden,omitempty"`
	// Trust is a certificate in PEM: sessions speak TLS and believe servers that it vouches for. Empty: no TLS.
	Trust string `json:"trust,omitempty"`
	// Deflate offers compression.
	Deflate bool `json:"deflate,omitempty"`
	// BytesPerSecond is what each session reads at most; 0: all that comes.
	BytesPerSecond int `json:"bytes_per_second,omitempty"`
	// Stamped has the kernel tell when frames reach the probes: what the loop is late counts for nothing.
	Stamped bool `json:"stamped,omitempty"`
	// SmallBuffer has the kernel hold little of what is not read yet: a few kilobytes, as a link with a small window does.
	SmallBuffer bool `json:"small_buffer,omitempty"`
}

// Subscription is one request to subscribe.
type Subscription struct {
	Channels []string `json:"channels"`
	// First is how many of the session's instruments it concerns, lowest numbers first; 0: all.
	First int    `json:"first,omitempty"`
	Depth uint32 `json:"depth,omitempty"` // of books
}

func (c *Config) target() (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(c.Address)
	if err != nil {
		return at, fmt.Errorf("address: %w", err)
	}
	if !at.Addr().Is4() || !at.Addr().IsLoopback() {
		return at, fmt.Errorf("address %s: only 127.0.0.0/8 is allowed", c.Address)
	}
	return at, nil
}

func (c *Config) validate() error {
	switch {
	case len(c.Groups) == 0:
		return fmt.Errorf("no groups: want at least one")
	case c.Gather < 0 || c.Gather > 10_000:
		return fmt.Errorf("gather %d µs: want 0 to 10,000", c.Gather)
	case c.InFlight < 0 || c.InFlight > 4096:
		return fmt.Errorf("%d sessions in flight: want 0 to 4,096", c.InFlight)
	}
	for i := range c.Groups {
		if err := c.Groups[i].validate(len(c.Symbols)); err != nil {
			return fmt.Errorf("group %d %s: %w", i, c.Groups[i].Name, err)
		}
	}
	return nil
}

func (g *Group) validate(symbols int) error {
	switch g.Speak {
	case Raw:
		if g.Sessions < 1 {
			return fmt.Errorf("sessions %d: want at least 1", g.Sessions)
		}
		return nil
	case Feed, FeedJSON, Centrifuge, Broadcast, NATS:
	default:
		return fmt.Errorf("speak %q: want %s, %s, %s, %s, %s or %s", g.Speak, Feed, FeedJSON, Centrifuge, Broadcast, NATS, Raw)
	}
	switch {
	case g.Sessions < 1:
		return fmt.Errorf("sessions %d: want at least 1", g.Sessions)
	case g.Probes < 0 || g.Probes > g.Sessions:
		return fmt.Errorf("%d probes: want at most the %d sessions that there are", g.Probes, g.Sessions)
	case symbols != g.Choice.Instruments:
		return fmt.Errorf("%d symbols for %d instruments", symbols, g.Choice.Instruments)
	case g.BytesPerSecond < 0:
		return fmt.Errorf("%d bytes a second: want 0 (all that comes) or more", g.BytesPerSecond)
	}
	for _, s := range g.Subscribe {
		if s.First < 0 || s.First > g.Choice.PerSession {
			return fmt.Errorf("a subscription of %d instruments: want at most the %d of the session", s.First, g.Choice.PerSession)
		}
	}
	return g.Choice.Validate()
}

// subscriptions are the requests of a session of the group.
func (g *Group) subscriptions() []Subscription {
	if len(g.Subscribe) > 0 {
		return g.Subscribe
	}
	return []Subscription{{Channels: []string{"quote"}}}
}

// Patience is how long all sessions may take to be live.
const Patience = 60 * time.Second

// sessionsPerAddress keeps each source address below any limit a server may have on connections from one.
const sessionsPerAddress = 64

// source is the address that a session connects from: 127.1.0.1 and up, so that no two runs of a few
// minutes use up the ports between two addresses, and 127.0.0.1 stays free for others.
func source(session int) [4]byte {
	n := session / sessionsPerAddress
	return [4]byte{127, byte(1 + n/(254*256)), byte(n / 254), byte(1 + n%254)}
}
