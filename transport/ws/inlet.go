package ws

import (
	"time"

	"github.com/lxzan/gws"

	"github.com/feedd/feedd/internal/guard"
)

// inlet is the connection that gws sees: it reads from the guard, and whatever gws writes goes nowhere, as
// does its wish to close. Only the code of a close frame is noted: gws knows which answer the client's own
// close frame deserves.
type inlet struct {
	*guard.Conn
	owner *Conn
}

func (in *inlet) Write(b []byte) (int, error) {
	if len(b) > 0 && b[0] == frameClose {
		in.owner.reply = closeCode(b)
	}
	return len(b), nil
}

func (in *inlet) Close() error                     { return nil }
func (in *inlet) SetDeadline(time.Time) error      { return nil }
func (in *inlet) SetReadDeadline(time.Time) error  { return nil }
func (in *inlet) SetWriteDeadline(time.Time) error { return nil }

// events is what gws calls, from the connection's own goroutine.
type events struct{}

func owner(sock *gws.Conn) *Conn { return sock.NetConn().(*inlet).owner }

func (events) OnOpen(*gws.Conn) {}

func (events) OnClose(sock *gws.Conn, err error) { owner(sock).readErr = err }

func (events) OnPing(sock *gws.Conn, payload []byte) {
	owner(sock).write(append([]byte{framePong, byte(len(payload))}, payload...))
}

func (events) OnPong(*gws.Conn, []byte) {} // hearing from the client is enough; see pulse

func (events) OnMessage(sock *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }() // gives its buffer back, and cannot fail
	owner(sock).receive(m)
}
