package client

import (
	"errors"

	"github.com/lxzan/gws"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// handler receives for the Client; a type of its own keeps these methods out of Client's.
type handler Client

// OnOpen implements gws.Event.
func (h *handler) OnOpen(*gws.Conn) {}

// OnPing implements gws.Event.
func (h *handler) OnPing(socket *gws.Conn, payload []byte) { _ = socket.WritePong(payload) }

// OnPong implements gws.Event.
func (h *handler) OnPong(*gws.Conn, []byte) {}

// OnClose implements gws.Event.
func (h *handler) OnClose(_ *gws.Conn, err error) {
	var closed *gws.CloseError
	if errors.As(err, &closed) {
		err = &CloseError{closed.Code, string(closed.Reason)}
	}
	(*Client)(h).end(err)
}

// OnMessage implements gws.Event.
func (h *handler) OnMessage(socket *gws.Conn, message *gws.Message) {
	c := (*Client)(h)
	if err := c.receive(message); err != nil {
		c.end(err)
		_ = socket.WriteClose(1002, []byte("protocol error"))
	}
	_ = message.Close()
}

func (c *Client) receive(message *gws.Message) error {
	unmarshal, want := proto.Unmarshal, gws.OpcodeBinary
	if c.options.JSON {
		unmarshal, want = protojson.Unmarshal, gws.OpcodeText
	}
	if message.Opcode != want {
		return violation("message of opcode %d on %s", message.Opcode, c.subprotocol())
	}
	f := &feedv1.ServerFrame{}
	if err := unmarshal(message.Bytes(), f); err != nil {
		return violation("frame of %d bytes: %v", len(message.Bytes()), err)
	}
	c.mu.Lock()
	u, err := c.mu.model.Apply(f)
	c.mu.telling = err == nil
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if c.options.OnUpdate != nil {
		c.options.OnUpdate(u)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.telling = false
	c.mu.frames++
	c.answerLocked(f)
	close(c.mu.changed)
	c.mu.changed = make(chan struct{})
	return nil
}

// answerLocked hands an answer to who waits for it.
func (c *Client) answerLocked(f *feedv1.ServerFrame) {
	r := c.mu.waiting[f.ReplyTo]
	if f.ReplyTo == 0 || r == nil {
		return
	}
	proto.Merge(r.answer, f)
	if f.Error != nil {
		r.err = &Error{f.Error.Code, f.Error.Text}
	} else if r.subscribe && (f.Subscribed == nil || f.Subscribed.Partial) {
		return
	}
	delete(c.mu.waiting, f.ReplyTo)
	close(r.done)
}

// end keeps the first reason and wakes everybody who waits.
func (c *Client) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.err != nil {
		return
	}
	c.mu.err = err
	for id, r := range c.mu.waiting {
		r.err = err
		close(r.done)
		delete(c.mu.waiting, id)
	}
	close(c.mu.changed)
	c.mu.changed = make(chan struct{})
}

func position(p *feedv1.Resume) market.Position {
	return market.Position{Epoch: market.Epoch(p.Epoch), Sequence: market.Sequence(p.Sequence)}
}
