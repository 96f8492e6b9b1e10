// Package subject maps symbols and channels to NATS subjects and back.
//
// Ticks travel on md.<venue>.<symbol>.<channel>, heartbeats on md.<venue>.heartbeat, and requests for
// an instrument's state on md.snapshot.<venue>.<symbol>. Dots part the tokens of a NATS subject, and
// '*', '>' and spaces mean something to NATS, so venue and symbol are escaped: every byte outside
// [A-Za-z0-9_-] is written as '%' and two upper-case hexadecimal digits. BRK.B becomes BRK%2EB.
// Readers are lenient: a token may hold bytes that need no escape in NATS, and lower-case digits.
package subject
