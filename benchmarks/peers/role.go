package peers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
)

// Requests of the role. Serve takes a Config and answers with the address as text; Collect gives unused memory back.
const (
	Serve   = "serve"
	Collect = "collect"
)

// Servers.
const (
	Centrifuge = "centrifuge"
	Broadcast  = "broadcast"
)

// Config says which peer to be.
type Config struct {
	Server  string        `json:"server"`
	Variant string        `json:"variant,omitempty"`
	NATS    string        `json:"nats"`
	Cadence time.Duration `json:"cadence"`
	Symbols []string      `json:"symbols"`
}

// Peer is a running peer.
type Peer struct {
	Address string

	nc    *nats.Conn
	inner func()
	http  *http.Server
	done  chan struct{}
}

// Open starts a peer on a free port of 127.0.0.1. Close ends it.
func Open(cfg Config) (*Peer, error) {
	servers := map[string]func(Config, *nats.Conn) (http.Handler, func(), error){Centrifuge: newCentrifuge, Broadcast: newBroadcast}
	open := servers[cfg.Server]
	if open == nil {
		return nil, fmt.Errorf("server %q: want %s or %s", cfg.Server, Centrifuge, Broadcast)
	}
	if cfg.Cadence <= 0 {
		return nil, fmt.Errorf("cadence %v: want more than 0", cfg.Cadence)
	}
	nc, err := nats.Connect(cfg.NATS)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		nc.Close()
		return nil, err
	}
	handler, inner, err := open(cfg, nc)
	if err != nil {
		_ = listener.Close()
		nc.Close()
		return nil, err
	}
	p := &Peer{
		Address: listener.Addr().String(), nc: nc, inner: inner, done: make(chan struct{}),
		http: &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second},
	}
	go func() {
		defer close(p.done)
		_ = p.http.Serve(listener) // until it is closed
	}()
	return p, nil
}

// Close ends the peer.
func (p *Peer) Close() error {
	p.nc.Close()
	err := p.http.Close()
	p.inner()
	<-p.done
	return err
}

// subscribe hands the batches of quotes to f, one after the other.
func subscribe(nc *nats.Conn, f func(symbol string, batch []byte)) error {
	names := make(map[string]string) // symbol by subject
	_, err := nc.Subscribe(subject.AllOf(market.ChannelQuote), func(m *nats.Msg) {
		symbol, ok := names[m.Subject]
		if !ok {
			s, err := subject.Parse(m.Subject)
			if err != nil {
				return
			}
			symbol = s.Symbol.String()
			names[strings.Clone(m.Subject)] = symbol
		}
		f(symbol, m.Data)
	})
	if err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	return nc.Flush()
}

// Role is the process of a peer: it answers requests until in ends.
func Role(in io.Reader, out io.Writer) error {
	var p *Peer
	err := proc.Serve(in, out, func(do string, body json.RawMessage) (any, error) {
		switch do {
		case Serve:
			var cfg Config
			if err := json.Unmarshal(body, &cfg); err != nil {
				return nil, err
			}
			if p != nil {
				return nil, errors.New("already serving")
			}
			var err error
			if p, err = Open(cfg); err != nil {
				return nil, err
			}
			return p.Address, nil
		case Collect:
			debug.FreeOSMemory()
			return nil, nil
		}
		return nil, fmt.Errorf("unknown request: want %s or %s", Serve, Collect)
	})
	if p != nil {
		err = errors.Join(err, p.Close())
	}
	return err
}
