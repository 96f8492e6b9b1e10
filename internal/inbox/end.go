package inbox

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// The close codes of RFC 6455, section 7.4.1, that answer what a client sent.
const (
	CodeProtocol uint16 = 1002
	CodeBadText  uint16 = 1007
	CodeTooBig   uint16 = 1009
)

// Closed is a client's close frame.
type Closed struct {
	Code  uint16 // 0: it gave none
	Reply uint16 // what it deserves for an answer; 0: a close frame without a code
}

// Error says what a client closed with.
func (c *Closed) Error() string { return fmt.Sprintf("inbox: the client closed with code %d", c.Code) }

// Error is why a message cannot be read. Code and Text are what the close frame should say.
type Error struct {
	Code uint16
	Text string
}

// Error returns the text with the package's name in front.
func (e *Error) Error() string { return "inbox: " + e.Text }

var (
	errText    = &Error{CodeBadText, "text that is not valid UTF-8"}
	errDeflate = &Error{CodeBadText, "compressed message that cannot be decompressed"}
)

func tooBig(limit int) error {
	return &Error{CodeTooBig, fmt.Sprintf("message larger than %d bytes", limit)}
}

// closed reads the payload of a close frame. The answer repeats a code that may be sent (RFC 6455, sections 5.5.1 and 7.4).
func closed(payload []byte) *Closed {
	if len(payload) == 0 {
		return &Closed{}
	}
	if len(payload) == 1 {
		return &Closed{Code: uint16(payload[0]), Reply: CodeProtocol}
	}
	c := &Closed{Code: binary.BigEndian.Uint16(payload)}
	switch code := c.Code; {
	case code < 1000, code == 1004, code == 1005, code == 1006, code >= 1014 && code < 3000, code >= 5000:
		c.Reply = CodeProtocol
	default:
		c.Reply = code
	}
	if !utf8.Valid(payload[2:]) {
		c.Reply = CodeBadText
	}
	return c
}
