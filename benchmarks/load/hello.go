package load

import (
	"bytes"
	"fmt"

	"github.com/centrifugal/protocol"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/benchmarks/frame"
	"github.com/feedd/feedd/benchmarks/probe"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// upgrade is how each language is asked for.
var upgrade = map[string]struct{ path, subprotocol string }{
	Feed:     {"/v1/ws", "feedd.v1.proto"},
	FeedJSON: {"/v1/ws", "feedd.v1.json"},
	// Pings as frames, which cost less than its own.
	Centrifuge: {"/connection/websocket?cf_ws_frame_ping_pong=true", "centrifuge-protobuf"},
	Broadcast:  {"/", ""},
	NATS:       {"/", ""},
}

const deflate = "permessage-deflate"

// request is the upgrade of a group's sessions.
func (g *group) request(host string) []byte {
	b := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n", upgrade[g.Speak].path, host)
	if name := upgrade[g.Speak].subprotocol; name != "" {
		b = fmt.Appendf(b, "Sec-WebSocket-Protocol: %s\r\n", name)
	}
	if g.Deflate {
		b = fmt.Appendf(b, "Sec-WebSocket-Extensions: %s; client_no_context_takeover; server_no_context_takeover\r\n", deflate)
	}
	return append(b, "\r\n"...)
}

// agreed reports what is missing in the header of the answer to the upgrade.
func (g *group) agreed(header []byte) error {
	if name := upgrade[g.Speak].subprotocol; !bytes.Contains(header, []byte(name)) {
		return fmt.Errorf("upgrade: the server does not speak %s", name)
	}
	if g.Deflate && !bytes.Contains(header, []byte(deflate)) {
		return fmt.Errorf("upgrade: the server does not take %s", deflate)
	}
	return nil
}

// symbols are those of session i.
func (l *Loop) symbols(i int) []string {
	g := l.sessions[i].group
	var all []string
	for _, n := range g.Choice.Of(i - g.first) {
		all = append(all, l.cfg.Symbols[n])
	}
	return all
}

// hello is the frames with which session i asks for what it wants.
func (l *Loop) hello(i int) ([]byte, error) {
	g := l.sessions[i].group
	switch g.Speak {
	case Feed, FeedJSON:
		return g.subscribe(l.symbols(i))
	case Centrifuge:
		return joinCentrifuge(l.symbols(i))
	case NATS:
		return frame.AppendClient(nil, frame.Binary, probe.SubscriberHello(l.symbols(i))), nil
	}
	return nil, nil
}

func (g *group) subscribe(symbols []string) ([]byte, error) {
	var b []byte
	for n, s := range g.subscriptions() {
		some := symbols
		if s.First > 0 {
			some = symbols[:s.First]
		}
		sub := &feedv1.Subscribe{Symbols: some, Channels: s.Channels, CadenceMs: proto.Uint32(g.CadenceMS), Depth: s.Depth}
		text, err := g.marshal(&feedv1.ClientFrame{Id: uint32(n + 1), Request: &feedv1.ClientFrame_Subscribe{Subscribe: sub}})
		if err != nil {
			return nil, err
		}
		b = frame.AppendClient(b, g.opcode(), text)
	}
	return b, nil
}

func (g *group) marshal(f *feedv1.ClientFrame) ([]byte, error) {
	if g.Speak == FeedJSON {
		return protojson.Marshal(f)
	}
	return proto.Marshal(f)
}

// setRate is the frame that asks for another cadence, or says that nobody is looking.
func (g *group) setRate(r *feedv1.SetRate) ([]byte, error) {
	b, err := g.marshal(&feedv1.ClientFrame{Id: 100, Request: &feedv1.ClientFrame_SetRate{SetRate: r}})
	if err != nil {
		return nil, err
	}
	return frame.AppendClient(nil, g.opcode(), b), nil
}

// compact asks centrifuge for numbers in place of the names of channels.
const compact = 1

// joinCentrifuge is one frame with all commands, as its own clients send them.
func joinCentrifuge(symbols []string) ([]byte, error) {
	commands := []*protocol.Command{{Id: 1, Connect: &protocol.ConnectRequest{}}}
	for n, symbol := range symbols {
		commands = append(commands, &protocol.Command{Id: uint32(n + 2), Subscribe: &protocol.SubscribeRequest{Channel: symbol, Flag: compact}})
	}
	var all []byte
	for _, c := range commands {
		b, err := protocol.NewProtobufCommandEncoder().Encode(c)
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return frame.AppendClient(nil, frame.Binary, all), nil
}
