package guard

import (
	"fmt"

	"github.com/feedd/feedd/internal/drop"
)

// Limits is what a client may send. A value is shared by all connections and must not change.
type Limits struct {
	// MaxMessage is how many bytes a message may declare over all its fragments, as they are on the wire
	// (compressed, if they are). At least 125.
	MaxMessage int64
	// Controls is how often ping, pong and close frames may come.
	Controls Rate
	// Fragments is how often fragments of less than TinyFragment bytes may come.
	Fragments Rate
}

// Rate allows Burst at once and PerSecond in the long run. Both are 1 to 1,000,000.
type Rate struct {
	PerSecond, Burst int64
}

// TinyFragment is the payload in bytes below which a fragment counts towards Limits.Fragments.
const TinyFragment = 256

// DefaultLimits suit a protocol whose largest request has maxMessage bytes. A client that answers pings and sends
// its own every few seconds, or sends a large request in the smallest fragments that any library makes,
// stays far below them.
func DefaultLimits(maxMessage int64) Limits {
	return Limits{MaxMessage: maxMessage, Controls: Rate{PerSecond: 10, Burst: 50}, Fragments: Rate{PerSecond: 100, Burst: 500}}
}

// The close codes of refusals. The first two are those of RFC 6455, section 7.4.1.
const (
	CodeProtocol uint16 = 1002 // what RFC 6455 forbids
	CodeTooBig   uint16 = 1009 // a message beyond Limits.MaxMessage
	CodeFlood    uint16 = 4501 // more control frames or tiny fragments than Limits allow
)

// RefusedError is why a frame was refused. It is the error that Conn.Read returns, and what the close frame says.
type RefusedError struct {
	Code uint16
	Text string      // at most 123 bytes, as the reason of a close frame
	Drop drop.Reason // GuardedFrame, or RequestFlood for CodeFlood
}

// Error returns the text with the package's name in front.
func (r *RefusedError) Error() string { return "guard: " + r.Text }

func protocol(text string) *RefusedError { return &RefusedError{CodeProtocol, text, drop.GuardedFrame} }

func flood(text string) *RefusedError { return &RefusedError{CodeFlood, text, drop.RequestFlood} }

// What is refused, in the words of the close frame.
var (
	errUnmasked      = protocol("frame without a mask; clients must mask every frame")
	errReservedBits  = protocol("reserved bit 2 or 3 of a frame header is set; no extension uses them")
	errNotNegotiated = protocol("frame is marked as compressed, but compression was not negotiated")
	errCompressed    = protocol("only the first frame of a message may be marked as compressed")
	errOpcode        = protocol("unknown opcode; known are 0, 1, 2, 8, 9 and 10")
	errSplitControl  = protocol("fragmented control frame; control frames must be whole")
	errLongControl   = protocol("control frame with more than 125 bytes")
	errOrphan        = protocol("continuation frame without a message to continue")
	errInterrupted   = protocol("new message within a fragmented one; finish that first")
	errNegative      = protocol("frame size has its top bit set")
	errNotMinimal    = protocol("frame size is not in its shortest form")
	errControlFlood  = flood("too many control frames")
	errTinyFlood     = flood("too many tiny fragments; send messages whole")
)

func tooBig(limit int64) *RefusedError {
	return &RefusedError{CodeTooBig, fmt.Sprintf("message larger than %d bytes", limit), drop.GuardedFrame}
}
