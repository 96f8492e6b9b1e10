package crowd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

type state uint8

const (
	stateComing state = iota // connecting, or subscribing
	stateLive
	stateAway // between two visits
)

// member is one client through all its connections.
type member struct {
	crowd   *Crowd
	group   Group
	name    string
	from    net.Addr
	symbols []string
	random  *rand.Rand

	memory memory // of all its connections

	mu     sync.Mutex // guards what follows
	state  state
	client *client.Client // of stateLive
}

// clientsPerAddress keeps each source address below the server's limits for one.
const clientsPerAddress = 16

func newMember(c *Crowd, g Group, i int, seed uint64) *member {
	m := &member{crowd: c, group: g, name: fmt.Sprintf("%s %d", g.Name, i), random: rand.New(rand.NewPCG(seed, 1))}
	n := len(c.members) / clientsPerAddress
	m.from = &net.TCPAddr{IP: net.IPv4(127, 2, byte(n/250), byte(1+n%250))}
	all := feed.Symbols(g.Choice.Instruments)
	for _, n := range g.Choice.Of(i) {
		m.symbols = append(m.symbols, all[n])
	}
	m.memory.begin(m)
	return m
}

// run is the member's goroutine: one connection after the other.
func (m *member) run(ctx context.Context) {
	m.pause(ctx, 3*time.Second)
	for ctx.Err() == nil {
		how, stays := m.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		m.crowd.ended(how)
		if stays {
			m.pause(ctx, time.Second)
			continue
		}
		m.become(stateAway, nil)
		m.pause(ctx, m.group.Visits)
		m.become(stateComing, nil)
	}
}

// pause waits for up to most, full jitter as a good client has it.
func (m *member) pause(ctx context.Context, most time.Duration) {
	timer := time.NewTimer(time.Duration(m.random.Int64N(int64(most))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// connection is one from its beginning to its end. It returns how it ended, and whether the client wants to be there.
func (m *member) connection(ctx context.Context) (how string, stays bool) {
	const patience = 20 * time.Second
	opening, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	o := client.Options{JSON: m.group.JSON, Deflate: m.group.Deflate, Name: "crowd/" + m.group.Name, LocalAddr: m.from, OnUpdate: m.memory.update}
	if m.group.Slow {
		o.ReceiveBuffer = 8 << 10
	}
	c, err := client.Dial(opening, m.crowd.cfg.URL, o)
	if err != nil {
		return "no connection: " + brief(err), true
	}
	defer c.Close()
	if err := m.subscribe(opening, c); err != nil {
		m.judge(err)
		return "not subscribed: " + brief(err), true
	}
	m.crowd.connected()
	m.become(stateLive, c)
	defer m.become(stateComing, nil)
	how, stays = m.watch(ctx, c)
	m.crowd.mu.Lock()
	m.crowd.mark.Bytes += int64(c.Traffic().Bytes)
	m.crowd.mu.Unlock()
	return how, stays
}

// watch waits for the end of a connection.
func (m *member) watch(ctx context.Context, c *client.Client) (how string, stays bool) {
	var leave, sip <-chan time.Time
	if m.group.Visits > 0 {
		leave = time.After(time.Duration(m.random.ExpFloat64() * float64(m.group.Visits)))
	}
	if m.group.Slow {
		ticker := time.NewTicker(sipEvery)
		defer ticker.Stop()
		sip = ticker.C
	}
	for n := 0; ; {
		select {
		case <-c.Done():
			err := c.Err()
			m.judge(err)
			return brief(err), true
		case <-leave:
			if m.crowd.staying() {
				leave = nil
				continue
			}
			return "left", false
		case <-sip:
			if n++; n%sipOneIn == 0 || m.crowd.staying() {
				c.Resume()
			} else {
				c.Stall()
			}
		case <-ctx.Done():
			return "over", false
		}
	}
}

// Slow clients read for one of so many of these.
const (
	sipEvery = 50 * time.Millisecond
	sipOneIn = 20
)

func (m *member) subscribe(ctx context.Context, c *client.Client) error {
	for _, s := range m.group.Subscribe {
		symbols := m.symbols
		if s.First > 0 {
			symbols = symbols[:s.First]
		}
		request := &feedv1.Subscribe{Symbols: symbols, Channels: s.Channels, CadenceMs: proto.Uint32(m.group.CadenceMS), Depth: s.Depth}
		for _, ch := range s.Channels {
			if ch == "trade" {
				request.Resume = m.memory.resumes(symbols)
			}
		}
		answer, err := c.Subscribe(ctx, request)
		if err != nil {
			return err
		}
		for _, r := range answer.Results {
			if r.Code != feedv1.ErrorCode_ERROR_CODE_UNSPECIFIED {
				return fmt.Errorf("%s: %v", r.Symbol, r.Code)
			}
		}
	}
	if m.group.Hidden {
		_, err := c.SetRate(ctx, &feedv1.SetRate{Visibility: feedv1.Visibility_VISIBILITY_HIDDEN})
		return err
	}
	return nil
}

// judge tells of an end that is the server's fault.
func (m *member) judge(err error) {
	var broken *client.ProtocolError
	if errors.As(err, &broken) {
		m.crowd.problem("%s: %v", m.name, err)
	}
}

// brief is an end in few words, so that ends can be counted.
func brief(err error) string {
	var closed *client.CloseError
	var refused *client.Error
	var network *net.OpError
	switch {
	case err == nil:
		return "ended"
	case errors.Is(err, client.ErrClosed):
		return "cut"
	case errors.As(err, &closed):
		return fmt.Sprintf("closed %d %s", closed.Code, closed.Reason)
	case errors.As(err, &refused):
		return refused.Code.String()
	case errors.As(err, &network):
		return network.Op + ": " + network.Err.Error()
	}
	return err.Error()
}

func (m *member) become(s state, c *client.Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state, m.client = s, c
}

func (m *member) look() state {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// current is the client's connection; nil: it has none.
func (m *member) current() *client.Client {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.client
}

func (m *member) drop() {
	if c := m.current(); c != nil {
		c.Drop()
	}
}

func (m *member) stall(lasts time.Duration) {
	if c := m.current(); c != nil {
		c.Stall()
		time.AfterFunc(lasts, c.Resume)
	}
}

// resume is a market.Position in the protocol's words.
func resume(symbol string, p market.Position) *feedv1.Resume {
	return &feedv1.Resume{Symbol: symbol, Channel: "trade", Epoch: uint64(p.Epoch), Sequence: uint64(p.Sequence)}
}
