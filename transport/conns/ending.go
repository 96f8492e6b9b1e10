package conns

import (
	"sync/atomic"

	"github.com/feedd/feedd/internal/guard"
)

// Ending is why a connection ends. The zero value is one that does not. Its methods may be called from any goroutine.
type Ending struct{ code atomic.Uint32 }

// Claim notes a close code; false: there is one already, and it stays.
func (e *Ending) Claim(code uint16) bool { return e.code.CompareAndSwap(0, uint32(code)) }

// Code is what was claimed; 0 while the connection does not end.
func (e *Ending) Code() uint16 { return uint16(e.code.Load()) }

// The close codes that transports send or count by themselves. The protocol's table says what a client does about them.
const (
	CodeNormal    uint16 = 1000
	CodeGoingAway uint16 = 1001
	CodeProtocol         = guard.CodeProtocol
	CodeWrongType uint16 = 1003 // text on the binary subprotocol, or the reverse
	CodeNone      uint16 = 1005 // counted, never sent: the client closed without a code
	CodeAbnormal  uint16 = 1006 // counted, never sent: the connection broke without a farewell
	CodeBadText   uint16 = 1007 // text that is not UTF-8, or compressed bytes that are none
	CodeTooBig           = guard.CodeTooBig
	CodeOwn       uint16 = 3000 // counted, never sent: the client closed with a code of its own, 3000 or above

	CodeNoProgress uint16 = 4001 // the client took nothing for the write timeout
	CodeNoPong     uint16 = 4002 // the client did not answer a ping
	CodeInternal   uint16 = 4003 // the handling of the connection failed
	CodeFlood             = guard.CodeFlood
	CodeOverflow   uint16 = 4502 // the client does not read its answers
)
