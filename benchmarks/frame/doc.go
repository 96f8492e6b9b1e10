// Package frame reads and writes WebSocket frames (RFC 6455) with as little work as there can be: a
// generator of load counts frames by their headers and lets the payload pass.
package frame
