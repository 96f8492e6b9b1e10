package ws

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/feedd/feedd/internal/guard"
)

// The close codes that this package sends or counts by itself. The protocol's table says what a client does
// about them.
const (
	CodeNormal    uint16 = 1000
	CodeGoingAway uint16 = 1001
	CodeProtocol         = guard.CodeProtocol
	CodeWrongType uint16 = 1003 // text on the binary subprotocol, or the reverse
	CodeNone      uint16 = 1005 // counted, never sent: the client closed without a code
	CodeAbnormal  uint16 = 1006 // counted, never sent: the connection broke without a close frame
	CodeBadText   uint16 = 1007 // text that is not UTF-8, or compressed bytes that are none
	CodeTooBig           = guard.CodeTooBig
	CodeOwn       uint16 = 3000 // counted, never sent: the client closed with a code of its own, 3000 or above

	CodeNoProgress uint16 = 4001 // the client took nothing for the write timeout
	CodeNoPong     uint16 = 4002 // the client did not answer a ping
	CodeInternal   uint16 = 4003 // the handling of the connection failed
	CodeFlood             = guard.CodeFlood
	CodeOverflow   uint16 = 4502 // the client does not read its answers
)

// First bytes of the frames that we send: FIN and opcode.
const (
	frameText   = 0x81
	frameBinary = 0x82
	frameClose  = 0x88
	framePing   = 0x89
	framePong   = 0x8a

	bitDeflated = 0x40 // RSV1
)

// maxReason is what a control frame leaves for the reason, behind the code.
const maxReason = 123

// closeFrame returns a close frame, or one without a code for code 0.
func closeFrame(code uint16, reason string) []byte {
	if code == 0 {
		return []byte{frameClose, 0}
	}
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	for len(reason) > maxReason {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	b := append(make([]byte, 0, 4+len(reason)), frameClose, byte(2+len(reason)))
	return append(binary.BigEndian.AppendUint16(b, code), reason...)
}
