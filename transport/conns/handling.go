package conns

import (
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/feedd/feedd/internal/drop"
)

// Handler is what a connection's messages are for. Receive and End are called from the connection's own
// goroutine; Wake from any other, but never before the handler was made nor once End has begun.
type Handler interface {
	// Receive takes one message from the client. payload is valid only during the call.
	Receive(payload []byte)
	// Wake tells that the connection has brought out what it kept and takes frames again.
	Wake()
	// End tells that nothing more is received. Frames may still be sent until it returns, and are dropped. It returns
	// what the log should say of the connection beside what its transport knows.
	End() []slog.Attr
}

// Handling is a connection's handler between its beginning and its end; nobody handles the zero value. Begin, Receive and End belong to the
// connection's own goroutine, the rest to all.
type Handling struct {
	mu      sync.Mutex // held during Wake, so that End comes after it
	handler Handler
}

// Begin hands the connection to its handler, and wakes it for what was brought out before there was one.
func (h *Handling) Begin(handler Handler) {
	h.mu.Lock()
	h.handler = handler
	h.mu.Unlock()
	h.Wake()
}

// Receive hands the handler a message, if there is a handler. It is for the connection's own goroutine, and needs no lock, since
// nobody else writes what it reads.
func (h *Handling) Receive(payload []byte) {
	if h.handler != nil {
		h.handler.Receive(payload)
	}
}

// Wake wakes the handler, if there is one.
func (h *Handling) Wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.handler != nil {
		h.handler.Wake()
	}
}

// Current returns the handler while there is one.
func (h *Handling) Current() Handler {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.handler
}

// End ends the handling, and returns what the handler has for the log.
func (h *Handling) End() []slog.Attr {
	h.mu.Lock()
	handler := h.handler
	h.handler = nil
	h.mu.Unlock()
	if handler == nil {
		return nil
	}
	return handler.End()
}

// Failed notes that the handling of a connection panicked: whoever recovered the fault calls it, on the same goroutine, and then
// closes the connection with CodeInternal.
func Failed(fault any, remote string, drops *drop.Counters, log *slog.Logger) {
	drops.Add(drop.HandlerPanic, 1)
	log.Error("connection failed", "remote", remote, "fault", fault, "stack", string(debug.Stack()))
}
