package ws

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
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
