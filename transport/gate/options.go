package gate

import (
	"cmp"
	"fmt"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/internal/drop"
)

// Options of a Gate. Fields that are zero mean the default.
type Options struct {
	// Origins are the web pages that may connect, as "scheme://host[:port]", or "*" for any. None: pages of
	// the host that is asked, and pages of this machine (loopback names and addresses). A client that sends
	// no Origin is no browser and may always connect.
	Origins []string
	// Authenticate returns whom the token in a request speaks for; the handler finds it with Entry.Identity. nil: tokens
	// in requests are passed over. It may wait for some seconds.
	Authenticate func(token string) (*entitlement.Identity, error)
	// Strangers bounds clients until Entry.Admitted is called for them. The zero value: they are like everybody.
	Strangers struct {
		MaxConns   int // at a time
		MaxMessage int // bytes; 125 or more
	}
	// MaxConns bounds the connections. Default 19,000, for a limit of 20,000 open files.
	MaxConns int
	// MaxPerAddress bounds the connections from one IPv4 address or IPv6 /64. 0: no bound.
	MaxPerAddress int
	// AcceptRate bounds the handshakes per second from one address, AcceptBurst how many may come at once
	// (default: one second's worth, at least 1). 0: no bound.
	AcceptRate  float64
	AcceptBurst int
	// NodeRate bounds the handshakes per second from all addresses together, NodeBurst how many may come at once
	// (default: one second's worth, at least 1). 0: no bound.
	NodeRate  float64
	NodeBurst int
	// MaxMessage bounds a message from a client, as sent and decompressed. 125 bytes to MostMessage, default 16 KiB.
	MaxMessage int

	// Drops counts what is refused. nil: not counted.
	Drops *drop.Counters
}

// MostMessage is the largest bound for the messages of clients, in bytes.
const MostMessage = 16 << 20

func (o *Options) complete() error {
	o.MaxConns = cmp.Or(o.MaxConns, 19_000)
	o.MaxMessage = cmp.Or(o.MaxMessage, 16<<10)
	o.AcceptBurst = cmp.Or(o.AcceptBurst, max(1, int(o.AcceptRate)))
	o.NodeBurst = cmp.Or(o.NodeBurst, max(1, int(o.NodeRate)))
	if o.Drops == nil {
		o.Drops = new(drop.Counters)
	}
	if n := o.Strangers.MaxMessage; n != 0 && (n < 125 || n > o.MaxMessage) {
		return fmt.Errorf("gate: Options.Strangers.MaxMessage is %d, must be 125 to MaxMessage", n)
	}
	if o.MaxMessage < 125 || o.MaxMessage > MostMessage {
		return fmt.Errorf("gate: Options.MaxMessage is %d, must be 125 to %d bytes", o.MaxMessage, MostMessage)
	}
	for name, v := range map[string]float64{
		"MaxConns": float64(o.MaxConns), "MaxPerAddress": float64(o.MaxPerAddress), "AcceptRate": o.AcceptRate,
		"AcceptBurst": float64(o.AcceptBurst), "NodeRate": o.NodeRate, "NodeBurst": float64(o.NodeBurst),
		"Strangers.MaxConns": float64(o.Strangers.MaxConns),
	} {
		if v < 0 {
			return fmt.Errorf("gate: Options.%s is negative", name)
		}
	}
	return nil
}
