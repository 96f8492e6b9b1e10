package load

import (
	"fmt"
	"net/netip"
)

// What a session speaks.
const (
	Feed = "feed" // feed.v1 over WebSocket
	NATS = "nats" // the client protocol of NATS over WebSocket; every session decodes what it gets
	Raw  = "raw"  // WebSocket frames from the first byte: no upgrade, no subscription
)

// Config says what to connect to, and as whom.
type Config struct {
	Speak string `json:"speak"` // Feed, NATS or Raw
	// Address is an IP address and port. Only loopback addresses are accepted: a benchmark must not become
	// a flood of somebody's server.
	Address  string `json:"address"`
	Sessions int    `json:"sessions"`
	// Probes is how many of the sessions decode and check everything.
	Probes    int    `json:"probes"`
	CadenceMS uint32 `json:"cadence_ms"`
	// Symbols of all instruments, by number.
	Symbols []string `json:"symbols"`
	Choice  Choice   `json:"choice"`
	// Gather, in microseconds, is how long the loop lets frames collect before it looks again; 0: not at all. Without it
	// a server pays for waking this process with nearly every frame, the more so the slower it is. Clients on
	// machines of their own, behind network cards that gather interrupts, cost a server nothing like that.
	Gather int `json:"gather"`
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
	case c.Sessions < 1:
		return fmt.Errorf("sessions %d: want at least 1", c.Sessions)
	case c.Gather < 0 || c.Gather > 10_000:
		return fmt.Errorf("gather %d µs: want 0 to 10,000", c.Gather)
	case c.Speak == Raw:
		return nil
	case c.Speak != Feed && c.Speak != NATS:
		return fmt.Errorf("speak %q: want %s, %s or %s", c.Speak, Feed, NATS, Raw)
	case c.Probes < 0 || c.Probes > c.Sessions:
		return fmt.Errorf("%d probes: want at most the %d sessions that there are", c.Probes, c.Sessions)
	case len(c.Symbols) != c.Choice.Instruments:
		return fmt.Errorf("%d symbols for %d instruments", len(c.Symbols), c.Choice.Instruments)
	}
	return c.Choice.Validate()
}

// sessionsPerAddress keeps each source address below any limit a server may have on connections from one.
const sessionsPerAddress = 64

// source is the address that a session connects from: 127.1.0.1 and up, so that no two runs of a few
// minutes use up the ports between two addresses, and 127.0.0.1 stays free for others.
func source(session int) [4]byte {
	n := session / sessionsPerAddress
	return [4]byte{127, byte(1 + n/(254*256)), byte(n / 254), byte(1 + n%254)}
}
