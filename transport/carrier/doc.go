// Package carrier finds, from a request, the network connection that carries it, which net/http keeps to itself. A stream of HTTP/2
// and a response that never ends share their socket with others: it is tuned once, as that of a WebSocket of its own would be,
// and ended where it holds up the end of a stream.
package carrier
