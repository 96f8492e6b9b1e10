package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lxzan/gws"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Subprotocols of feedd.
const (
	SubprotocolProto = "feedd.v1.proto"
	SubprotocolJSON  = "feedd.v1.json"
)

// Options of Dial. The zero value is a binary client without compression.
type Options struct {
	// JSON speaks the readable subprotocol instead of the binary one.
	JSON bool
	// Deflate offers permessage-deflate.
	Deflate bool
	// Name and version of the software that asks, for the operator's eyes.
	Name string
	// Token says who the client is; empty: it does not say.
	Token string
	// ReceiveBuffer bounds the kernel's receive buffer in bytes; 0 leaves it alone. Tests of slow
	// clients want it small.
	ReceiveBuffer int
	// LocalAddr is the address to connect from; nil for any.
	LocalAddr net.Addr
	// Over makes the connection that the client uses of the one that was opened, such as one that notes when bytes come; nil: that is
	// the same.
	Over func(net.Conn) (net.Conn, error)
	// TLS is for servers whose certificate the system does not know; nil: it does.
	TLS *tls.Config
	// OnUpdate is called with what each frame changed, in order, by the goroutine that reads, ahead of answers to requests
	// and of Await. It must not wait for anything of the client's own. nil: nobody is told.
	OnUpdate func(Update)
}

// Error is a request that the server refused.
type Error struct {
	Code feedv1.ErrorCode
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("server: %s (%v)", e.Text, e.Code) }

// CloseError is how the connection ended, when the server said why.
type CloseError struct {
	Code   uint16
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("the server closed the connection: %d %s", e.Code, e.Reason)
}

// Retry reports whether the server's close code invites to come back.
func (e *CloseError) Retry() bool { return e.Code < 4500 && e.Code != 1000 }

// ErrClosed is the end of a connection that this side closed.
var ErrClosed = errors.New("the client was closed")

// Client is one connection. Its methods may be called from any goroutine.
type Client struct {
	options Options
	gate    *gate
	socket  *gws.Conn
	done    chan struct{} // closed when the read goroutine has ended

	mu struct {
		sync.Mutex
		model   *Model
		nextID  uint32
		waiting map[uint32]*request
		changed chan struct{} // closed and replaced after each frame
		frames  uint64
		telling bool  // the model has a frame that OnUpdate does not know yet
		err     error // why the connection ended
	}
}

// request waits for its answer, which may come in several frames.
type request struct {
	answer    *feedv1.ServerFrame // what has come so far, put together
	err       error
	done      chan struct{}
	subscribe bool // the answer is complete with the last part of a Subscribed
}

// Dial connects to the WebSocket at rawURL (ws:// or wss://), says hello and waits for the welcome. ctx
// bounds Dial alone.
func Dial(ctx context.Context, rawURL string, o Options) (*Client, error) {
	c := &Client{options: o, done: make(chan struct{})}
	c.mu.model = NewModel()
	c.mu.waiting = map[uint32]*request{}
	c.mu.changed = make(chan struct{})
	if err := c.connect(ctx, rawURL); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.done)
		c.socket.ReadLoop()
	}()
	_, err := c.Request(ctx, &feedv1.ClientFrame{Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{Client: o.Name, Token: o.Token}}})
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("hello: %w", err)
	}
	return c, nil
}

func (c *Client) connect(ctx context.Context, rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return fmt.Errorf("bad URL %q: want ws://HOST:PORT/v1/ws", rawURL)
	}
	conn, err := c.dialTCP(ctx, u)
	if err != nil {
		return err
	}
	if over := c.options.Over; over != nil {
		upper, err := over(conn)
		if err != nil {
			return errors.Join(err, conn.Close())
		}
		conn = upper
	}
	c.gate = newGate(conn)
	timeout := 10 * time.Second
	if at, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(at), time.Millisecond)
	}
	// The handshake knows no context: end the connection under it.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	//nolint:bodyclose // the connection is the body, and gws closes it where the handshake fails
	socket, response, err := gws.NewClientFromConn((*handler)(c), &gws.ClientOption{
		Addr:              rawURL,
		HandshakeTimeout:  timeout,
		RequestHeader:     http.Header{"Sec-WebSocket-Protocol": {c.subprotocol()}},
		PermessageDeflate: gws.PermessageDeflate{Enabled: c.options.Deflate},
		CheckUtf8Enabled:  true,
	}, c.gate)
	if err != nil {
		return refusal(response, err)
	}
	c.socket = socket
	return nil
}

func (c *Client) subprotocol() string {
	if c.options.JSON {
		return SubprotocolJSON
	}
	return SubprotocolProto
}

func (c *Client) dialTCP(ctx context.Context, u *url.URL) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: c.options.LocalAddr}
	if n := c.options.ReceiveBuffer; n > 0 {
		// Ahead of connect: the window that is announced with it never shrinks.
		dialer.Control = func(_, _ string, raw syscall.RawConn) error {
			var failed error
			err := raw.Control(func(fd uintptr) { failed = setReceiveBuffer(fd, n) })
			return errors.Join(err, failed)
		}
	}
	address := u.Host
	if u.Port() == "" {
		port := "80"
		if u.Scheme == "wss" {
			port = "443"
		}
		address = net.JoinHostPort(u.Hostname(), port)
	}
	if u.Scheme == "wss" {
		return dialTLS(ctx, &dialer, address, u.Hostname(), c.options.TLS)
	}
	return dialer.DialContext(ctx, "tcp", address)
}

// refusal adds what an HTTP server said instead of upgrading.
func refusal(response *http.Response, err error) error {
	if response == nil || response.StatusCode == http.StatusSwitchingProtocols {
		return err
	}
	text := make([]byte, 512)
	n, _ := response.Body.Read(text) // what came with the headers; the connection is gone already
	return fmt.Errorf("the server answered %s: %s", response.Status, strings.TrimSpace(string(text[:n])))
}

// Request sends a frame, whose id it chooses, and waits for the answer. An answer that is an Error comes
// back as *Error; the parts of a Subscribed are put together. A request that the protocol does not answer
// (none so far) would wait for ctx.
func (c *Client) Request(ctx context.Context, f *feedv1.ClientFrame) (*feedv1.ServerFrame, error) {
	r := &request{answer: &feedv1.ServerFrame{}, done: make(chan struct{}), subscribe: f.GetSubscribe() != nil}
	c.mu.Lock()
	if c.mu.err != nil {
		c.mu.Unlock()
		return nil, c.mu.err
	}
	c.mu.nextID++
	f.Id = c.mu.nextID
	c.mu.waiting[f.Id] = r
	for _, p := range f.GetSubscribe().GetResume() {
		c.mu.model.Resume(p.Symbol, position(p))
	}
	c.mu.Unlock()
	if err := c.Send(f); err != nil {
		return nil, err
	}
	select {
	case <-r.done:
		return r.answer, r.err
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.mu.waiting, f.Id)
		c.mu.Unlock()
		return nil, fmt.Errorf("no answer: %w", ctx.Err())
	}
}

// Send sends a frame as it is, for tests that break the rules.
func (c *Client) Send(f *feedv1.ClientFrame) error {
	opcode, marshal := gws.OpcodeBinary, proto.Marshal
	if c.options.JSON {
		opcode, marshal = gws.OpcodeText, protojson.Marshal
	}
	payload, err := marshal(f)
	if err != nil {
		return err
	}
	return c.SendRaw(payload, opcode == gws.OpcodeText)
}

// SendRaw sends any message.
func (c *Client) SendRaw(payload []byte, text bool) error {
	opcode := gws.OpcodeBinary
	if text {
		opcode = gws.OpcodeText
	}
	return c.socket.WriteMessage(opcode, payload)
}

// Subscribe asks for symbols and waits for the results.
func (c *Client) Subscribe(ctx context.Context, s *feedv1.Subscribe) (*feedv1.Subscribed, error) {
	answer, err := c.Request(ctx, &feedv1.ClientFrame{Request: &feedv1.ClientFrame_Subscribe{Subscribe: s}})
	return answer.GetSubscribed(), err
}

// SubscribeKnown does so as soon as the server knows every symbol: definitions take a moment from a publisher to it. It ends with ctx, and
// then says what is not known.
func (c *Client) SubscribeKnown(ctx context.Context, s *feedv1.Subscribe) error {
	for {
		reply, err := c.Subscribe(ctx, s)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(reply.Results, func(r *feedv1.SubscribeResult) bool { return r.Handle == 0 }) {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the server does not know every symbol: %v", reply.Results)
		}
	}
}

// Unsubscribe ends the subscriptions that handles name; all of them when there are none.
func (c *Client) Unsubscribe(ctx context.Context, handles ...uint32) error {
	_, err := c.Request(ctx, &feedv1.ClientFrame{
		Request: &feedv1.ClientFrame_Unsubscribe{Unsubscribe: &feedv1.Unsubscribe{Handles: handles}},
	})
	return err
}

// SetRate changes what subscriptions are wished at.
func (c *Client) SetRate(ctx context.Context, s *feedv1.SetRate) ([]*feedv1.Grant, error) {
	answer, err := c.Request(ctx, &feedv1.ClientFrame{Request: &feedv1.ClientFrame_SetRate{SetRate: s}})
	return answer.GetGrants(), err
}

// Ping asks for the server's clock.
func (c *Client) Ping(ctx context.Context) (*feedv1.Pong, error) {
	now := time.Now().UnixMicro()
	answer, err := c.Request(ctx, &feedv1.ClientFrame{Request: &feedv1.ClientFrame_Ping{Ping: &feedv1.Ping{ClientTimeUs: now}}})
	return answer.GetPong(), err
}

// View runs fn with the model, which must not be kept.
func (c *Client) View(fn func(*Model)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn(c.mu.model)
}

// Await runs fn after each frame, and after OnUpdate for it, until it returns true, ctx ends or the connection does.
func (c *Client) Await(ctx context.Context, fn func(*Model) bool) error {
	for {
		c.mu.Lock()
		ok, err, changed := !c.mu.telling && fn(c.mu.model), c.mu.err, c.mu.changed
		c.mu.Unlock()
		if ok || err != nil {
			if ok {
				return nil
			}
			return err
		}
		select {
		case <-changed:
		case <-c.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stall stops reading from the socket until Resume.
func (c *Client) Stall() { c.gate.setStalled(true) }

// Resume reads on.
func (c *Client) Resume() { c.gate.setStalled(false) }

// Traffic is what came in so far.
type Traffic struct {
	Frames uint64
	Bytes  uint64 // on the wire below WebSocket, before inflation
}

// Traffic returns what came in so far.
func (c *Client) Traffic() Traffic {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Traffic{Frames: c.mu.frames, Bytes: c.gate.read.Load()}
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended: ErrClosed, *CloseError, *ProtocolError or a network error; nil
// while it lives.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.err
}

// Drop ends the connection without a word, as the death of a process does, and returns when the read goroutine has ended. It
// must not be called from OnUpdate.
func (c *Client) Drop() {
	c.end(ErrClosed)
	_ = c.gate.Close()
	<-c.done
}

// Close ends the connection, stalled or not, and returns when the read goroutine has ended. It must not
// be called from OnUpdate.
func (c *Client) Close() {
	c.end(ErrClosed)
	_ = c.socket.WriteClose(1000, nil)
	_ = c.gate.Close()
	<-c.done
}
