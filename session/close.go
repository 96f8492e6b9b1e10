package session

import (
	"strconv"
	"time"
)

// CloseCode is a WebSocket close code, with what a client is to make of it. Codes from 4000 to 4499 invite
// the client back, those from 4500 to 4999 do not.
type CloseCode uint16

// The close codes of feedd. This is the one table; PROTOCOL.md prints it.
const (
	CloseNormal            CloseCode = 1000
	CloseGoingAway         CloseCode = 1001
	CloseProtocolError     CloseCode = 1002
	CloseWrongMessageType  CloseCode = 1003
	CloseBadText           CloseCode = 1007
	CloseTooBig            CloseCode = 1009
	CloseDraining          CloseCode = 4000
	CloseNoProgress        CloseCode = 4001
	CloseNoPong            CloseCode = 4002
	CloseInternalError     CloseCode = 4003
	CloseHelloTimeout      CloseCode = 4004
	CloseOverload          CloseCode = 4005
	CloseTokenExpired      CloseCode = 4010
	CloseAccessUnavailable CloseCode = 4011
	CloseTooManySessions   CloseCode = 4012
	CloseMalformed         CloseCode = 4500
	CloseTooManyRequests   CloseCode = 4501
	CloseAnswersUnread     CloseCode = 4502
	CloseCut               CloseCode = 4503
	CloseUnauthenticated   CloseCode = 4510
	CloseRevoked           CloseCode = 4511
)

// CloseRow is a row of the table.
type CloseRow struct {
	Code      CloseCode
	Name      string
	Reconnect bool
	// A client that comes back waits a random time between the two. Both 0: the usual waits, which grow with
	// each attempt that fails.
	WaitMin, WaitMax time.Duration
	Meaning          string
}

var closeTable = [...]CloseRow{
	{CloseNormal, "normal", false, 0, 0, "One side was done."},
	{CloseGoingAway, "going away", true, 0, 0, "The server is stopping and did not get to say when to come back."},
	{CloseProtocolError, "protocol error", true, 0, 0, "What came was not WebSocket as RFC 6455 has it. Look for a fault in the client, or in a proxy between."},
	{CloseWrongMessageType, "wrong message type", true, 0, 0, "A text message on `feedd.v1.proto`, or a binary one on `feedd.v1.json`."},
	{CloseBadText, "bad text", true, 0, 0, "A text message that is not UTF-8, or a compressed one that cannot be unpacked."},
	{CloseTooBig, "too big", true, 0, 0, "A message larger than `limits.client_frame_bytes`. Split requests."},
	{CloseDraining, "draining", true, 0, 0, "The server is stopping, as its `goaway` said. Wait as long as that asked; without one, as usual."},
	{CloseNoProgress, "no progress", true, time.Second, 5 * time.Second, "The connection took no byte for too long."},
	{CloseNoPong, "no pong", true, 0, 500 * time.Millisecond, "A WebSocket ping was not answered in time."},
	{CloseInternalError, "internal error", true, time.Second, 10 * time.Second, "A fault of the server."},
	{CloseHelloTimeout, "hello timeout", true, time.Second, 5 * time.Second, "Nothing was asked within 10 s."},
	{CloseOverload, "overload", true, 5 * time.Second, 30 * time.Second, "The server has more to carry than it can. Wait as long as its `goaway` asked."},
	{CloseTokenExpired, "token expired", true, 0, time.Second, "The token was not renewed in time. Come back with a new one."},
	{CloseAccessUnavailable, "access unavailable", true, time.Second, 10 * time.Second, "Whether the token is good cannot be found out at the moment."},
	{CloseTooManySessions, "too many sessions", true, 10 * time.Second, 60 * time.Second, "The token's user has as many sessions on this server as one may have, or begins them too often."},
	{CloseMalformed, "malformed", false, 0, 0, "Too many messages that are not a `ClientFrame`. Each had an `error` that says why."},
	{CloseTooManyRequests, "too many requests", false, 0, 0, "More requests than `limits.requests_per_second` for 3 s on end, or a flood of WebSocket control frames or tiny fragments."},
	{CloseAnswersUnread, "answers unread", false, 0, 0, "The client goes on asking and does not read the answers."},
	{CloseCut, "cut off", false, 0, 0, "The operator has ended this session. The reason says why."},
	{CloseUnauthenticated, "unauthenticated", false, 0, 0, "No token where one is needed, or one that is no good. The `error` before says why. Come back with another token."},
	{CloseRevoked, "revoked", false, 0, 0, "The token, its user or this session was shut out by the operator. Come back when signed in again."},
}

// CloseCodes returns the table, in the order of the codes.
func CloseCodes() []CloseRow { return append([]CloseRow(nil), closeTable[:]...) }

// String returns the code's name in words; that of a code outside the table is its number.
func (c CloseCode) String() string {
	for i := range closeTable {
		if closeTable[i].Code == c {
			return closeTable[i].Name
		}
	}
	return strconv.Itoa(int(c))
}
