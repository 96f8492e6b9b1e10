package rig

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/client/quoterow"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/transport/ws/wstest"
)

// SwarmOptions of NewSwarm.
type SwarmOptions struct {
	Clients int
	// Nodes are the WebSockets of nodes. All clients begin at the first, and go on to the next when theirs is gone.
	Nodes   []string
	Symbols []string
	Cadence time.Duration
	Seed    uint64
	// Hasty clients come back at once, whatever they were told.
	Hasty bool
	// ReceiveBuffer bounds what the kernel holds of what a client has not read; 0: as it likes.
	ReceiveBuffer int
	// From is the second number of the addresses that clients come from, 127.8.*.* and up, so that swarms have their own.
	From byte
}

// Swarm is thousands of clients, each a goroutine that reads frames and knows only a few things: whether it is fresh, which is to
// have a row of every symbol, and when to come back. Viewers beside it are the oracles, and Bystanders know how late rows come.
type Swarm struct {
	t      testing.TB
	o      SwarmOptions
	hosts  []string
	hello  []byte
	ended  sync.WaitGroup
	cancel context.CancelFunc

	fresh atomic.Int64
	still atomic.Int64 // how many of the first clients read nothing

	mu       sync.Mutex // guards what follows
	ends     []End
	arrivals map[string][]arrival // at each node, those who were let in
	refused  map[int]int          // by HTTP status
	windows  []*feedv1.GoAway
	conns    map[net.Conn]struct{}
	awoken   chan struct{} // closed when Wake is called
}

// arrival is when a client began to connect, and when it was let in.
type arrival struct{ knocked, in time.Time }

// NewSwarm has all clients come, spread over a few seconds, and returns when they are fresh.
func NewSwarm(t testing.TB, o SwarmOptions) *Swarm {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Swarm{
		t: t, o: o, cancel: cancel, arrivals: make(map[string][]arrival), refused: make(map[int]int), awoken: make(chan struct{}),
		conns: make(map[net.Conn]struct{}),
	}
	for _, node := range o.Nodes {
		u, err := url.Parse(node)
		if err != nil {
			t.Fatal(err)
		}
		s.hosts = append(s.hosts, u.Host)
	}
	request, err := proto.Marshal(&feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{
		Symbols: o.Symbols, Channels: []string{"quote"}, CadenceMs: proto.Uint32(uint32(o.Cadence.Milliseconds())),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	s.hello = wstest.Encode(0x82, request)
	t.Cleanup(s.Close)
	for i := range o.Clients {
		c := &swarmer{swarm: s, number: i, random: rand.New(rand.NewPCG(o.Seed, uint64(i)))}
		s.ended.Go(func() { c.run(ctx) })
		const pace = 16 // in a row, a millisecond each
		if i%pace == pace-1 {
			time.Sleep(4 * time.Millisecond)
		}
	}
	s.AwaitFresh()
	return s
}

// Close ends all clients.
func (s *Swarm) Close() {
	s.cancel()
	s.Wake()
	s.ended.Wait()
}

// Fresh is how many clients have all rows at the moment.
func (s *Swarm) Fresh() int { return int(s.fresh.Load()) }

// AwaitFresh waits until all have.
func (s *Swarm) AwaitFresh() {
	s.t.Helper()
	Eventually(s.t, fmt.Sprintf("%d clients to be fresh", s.o.Clients), func() bool { return s.Fresh() == s.o.Clients })
}

// Cut breaks all connections at once, without a word.
func (s *Swarm) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// Still has the first n clients read nothing more until Wake.
func (s *Swarm) Still(n int) { s.still.Store(int64(n)) }

// Wake has all read again.
func (s *Swarm) Wake() {
	s.still.Store(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.awoken)
	s.awoken = make(chan struct{})
}

// Ends are all connections that have ended.
func (s *Swarm) Ends() []End {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ends)
}

// Ended is how many those are.
func (s *Swarm) Ended() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ends)
}

// Codes counts how connections ended; 1006 is for those that were told nothing.
func (s *Swarm) Codes() map[uint16]int {
	codes := make(map[uint16]int)
	for _, e := range s.Ends() {
		codes[e.Code()]++
	}
	return codes
}

// Back returns a percentile (0 to 1) of how long clients took from the end of a connection until they were fresh again.
func (s *Swarm) Back(percentile float64) time.Duration {
	var back []time.Duration
	for _, e := range s.Ends() {
		if e.Back > 0 {
			back = append(back, e.Back)
		}
	}
	return percentileOf(back, percentile)
}

func percentileOf(all []time.Duration, percentile float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(percentile*float64(len(all))))]
}

// Rush is the most clients that a node let in within any second since a time.
func (s *Swarm) Rush(node string, since time.Time) int {
	return s.most(node, since, func(a arrival) time.Time { return a.in })
}

// Knocks is the most of those that began to connect within one. How long they then waited for a processor does not count.
func (s *Swarm) Knocks(node string, since time.Time) int {
	return s.most(node, since, func(a arrival) time.Time { return a.knocked })
}

// most is how many arrivals at a node lie within any one second since a time.
func (s *Swarm) most(node string, since time.Time, when func(arrival) time.Time) (most int) {
	u, err := url.Parse(node)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []time.Time
	for _, a := range s.arrivals[u.Host] {
		if at := when(a); at.After(since) {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	first := 0
	for i, at := range all {
		for at.Sub(all[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// Refused is how many attempts were refused with an HTTP status.
func (s *Swarm) Refused(status int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused[status]
}

// Windows are those in which clients were asked to come back.
func (s *Swarm) Windows() []*feedv1.GoAway {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.windows)
}

// swarmer is one client of a swarm.
type swarmer struct {
	swarm  *Swarm
	number int
	random *rand.Rand
	node   int
	end    int // of its last connection, in the swarm's list; -1 before that is known
	away   *feedv1.GoAway
}

// run is the client's goroutine.
func (c *swarmer) run(ctx context.Context) {
	const first, most = 500 * time.Millisecond, 20 * time.Second // PROTOCOL.md: as usual
	c.end = -1
	for bound := first; ctx.Err() == nil; {
		lived, wait, err := c.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		c.node++
		switch {
		case lived:
			bound = first
			c.lost(err)
		case wait == 0:
			bound = min(2*bound, most)
		}
		if away := c.away; away != nil {
			c.away = nil
			wait = time.Duration(away.ReconnectMinMs+c.random.Uint32N(max(1, away.ReconnectMaxMs-away.ReconnectMinMs))) * time.Millisecond
		} else if wait == 0 {
			wait = time.Duration(c.random.Int64N(int64(bound)))
		} else {
			wait += time.Duration(c.random.Int64N(int64(wait))) // those who were told the same should not come together
		}
		if c.swarm.o.Hasty {
			wait = time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// connection is one from its first packet to its end. wait is what a refusal asked for.
func (c *swarmer) connection(ctx context.Context) (lived bool, wait time.Duration, err error) {
	s := c.swarm
	host := s.hosts[c.node%len(s.hosts)]
	n := c.number / 64
	dialer := net.Dialer{
		LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 8+s.o.From, byte(n/250), byte(1+n%250))}, Timeout: 10 * time.Second, Control: s.narrow,
	}
	knocked := time.Now()
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return false, 0, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_, err = fmt.Fprintf(conn, "GET /v1/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: feedd.v1.proto\r\n\r\n", host)
	if err != nil {
		return false, 0, err
	}
	in := bufio.NewReaderSize(conn, 2048)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return false, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusSwitchingProtocols {
		s.mu.Lock()
		s.refused[response.StatusCode]++
		s.mu.Unlock()
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return false, time.Duration(seconds) * time.Second, errors.New(response.Status)
	}
	s.mu.Lock()
	s.arrivals[host] = append(s.arrivals[host], arrival{knocked, time.Now()})
	s.conns[conn] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	}()
	if _, err := conn.Write(s.hello); err != nil {
		return true, 0, err
	}
	return true, 0, c.read(ctx, conn, in)
}

// narrow sets the receive buffer ahead of connect, since a window that was announced never shrinks.
func (s *Swarm) narrow(_, _ string, raw syscall.RawConn) error {
	if s.o.ReceiveBuffer == 0 {
		return nil
	}
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, s.o.ReceiveBuffer)
	})
	return errors.Join(err, failed)
}

// read takes frames until the connection ends.
func (c *swarmer) read(ctx context.Context, conn net.Conn, in *bufio.Reader) error {
	s := c.swarm
	have := make(map[uint32]bool)
	defer func() {
		if len(have) >= len(s.o.Symbols) {
			s.fresh.Add(-1)
		}
	}()
	var f feedv1.ServerFrame
	for ctx.Err() == nil {
		s.rest(ctx, c.number)
		raw, err := wstest.Decode(in)
		if err != nil {
			return err
		}
		switch raw.First & 0xf {
		case 8:
			return closing(raw.Payload)
		case 9:
			if _, err := conn.Write(wstest.Encode(0x8a, raw.Payload)); err != nil {
				return err
			}
			continue
		}
		now := time.Now()
		if err := proto.Unmarshal(raw.Payload, &f); err != nil {
			return err
		}
		if f.Goaway != nil {
			c.away = f.Goaway
			s.mu.Lock()
			s.windows = append(s.windows, f.Goaway)
			s.mu.Unlock()
		}
		if len(f.Quotes) == 0 {
			continue
		}
		if len(have) < len(s.o.Symbols) {
			rows, err := quoterow.Read(f.Quotes)
			if err != nil {
				return err
			}
			for _, q := range rows {
				have[q.Handle] = true
			}
			if len(have) >= len(s.o.Symbols) {
				s.fresh.Add(1)
				c.back(now)
			}
		}
	}
	return ctx.Err()
}

// rest is where a client stays that is to read nothing.
func (s *Swarm) rest(ctx context.Context, number int) {
	for int64(number) < s.still.Load() && ctx.Err() == nil {
		s.mu.Lock()
		awoken := s.awoken
		s.mu.Unlock()
		if int64(number) >= s.still.Load() {
			return
		}
		select {
		case <-awoken:
		case <-ctx.Done():
		}
	}
}

// lost notes the end of a connection.
func (c *swarmer) lost(err error) {
	s := c.swarm
	s.mu.Lock()
	defer s.mu.Unlock()
	c.end = len(s.ends)
	s.ends = append(s.ends, End{At: time.Now(), Err: err})
}

// back notes that the client is fresh again.
func (c *swarmer) back(now time.Time) {
	s := c.swarm
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.end >= 0 {
		s.ends[c.end].Back = now.Sub(s.ends[c.end].At)
	}
}

func closing(payload []byte) error {
	if len(payload) < 2 {
		return errors.New("closed without a code")
	}
	return &client.CloseError{Code: binary.BigEndian.Uint16(payload), Reason: string(payload[2:])}
}
