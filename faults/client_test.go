package faults

import (
	"flag"
	"net"
	"net/netip"
	"net/url"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/rig"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// crowd is how many clients there are where the rows speak of 10,000: two cores for all of it may be too few.
var crowd = flag.Int("crowd", 10_000, "how many clients there are where the matrix speaks of 10,000")

// clientRows are those of clients that are slow, gone, or too many.
var clientRows = []row{
	{
		number: 11, fault: "feedd killed",
		expected: "clients reconnect with jitter to another node, and resume or get a snapshot: 95 % within 3 s; those who are there get their rows as before",
		run:      feeddKilled, short: true, held: []string{"e2e.TestFeeddIsKilledAndComesBack", "e2e.TestResumeOnAnotherServer"},
	},
	{
		number: 12, fault: "feedd drained by SIGTERM",
		expected: "every client is told when to come back, in slices, and they come at that rate; the exit is clean and in time, no connection ends without a word",
		run:      feeddDrained, short: true, held: []string{"e2e.TestDrainSeesEverybodyOff"},
	},
	{
		number: 14, fault: "a slow client, 100 kbit/s",
		expected: "rows are conflated, memory stays flat, others get theirs as before",
		run:      slowClient, once: true,
	},
	{
		number: 15, fault: "a stuck client, which reads nothing",
		expected: "closed at its timeout; at most 64 KiB are queued in the kernel",
		run:      stuckClient,
	},
	{
		number: 16, fault: "a tenth of all clients stuck",
		expected: "memory is bounded, and the others get their rows as before",
		run:      manyStuck, once: true,
	},
	{
		number: 17, fault: "a half-open connection, whose peer vanished",
		expected: "gone within 20 s, whether rows are under way or none",
		run:      halfOpen, network: true,
	},
	{
		number: 18, fault: "10,000 clients reconnect at once",
		expected: "the rate of accepts is capped, refusals say when to come back, those who are there get their rows as before",
		run:      reconnectStorm, once: true,
	},
	{
		number: 19, fault: "10,000 snapshots asked for at once, with no cap on accepts",
		expected: "encoded once, shared, bounded; those who are there get their rows as before",
		run:      snapshotHerd, once: true,
	},
	{
		number: 20, fault: "clients that reconnect without any pause",
		expected: "admission protects the others, who get their rows as before",
		run:      hastyClients, once: true,
	},
}

// slowClient lets 100 kbit/s through to a client that is due more than that, and to one who looks at quotes alone.
func slowClient(r *trial) {
	n := newNodeApart(r, 100)
	others := n.standBy(n.feedd)
	way, aside := newLink(r, n.address()), newLink(r, n.address())
	slow, quotes := rig.NewTape(), rig.NewTape()
	narrow := client.Options{ReceiveBuffer: 8 << 10}
	c := slow.Follow(r, way.socket(), n.market.Symbols, narrow)
	await(r, c, n.market)
	// Two cadences share the link.
	subscribe(r, c, &feedv1.Subscribe{
		Symbols: n.market.Symbols[:len(n.market.Symbols)/2], Channels: []string{"quote", "trade", "book"}, CadenceMs: proto.Uint32(500),
	})
	narrow.OnUpdate = quotes.Update
	watchlist, err := client.Dial(rig.Deadline(r), aside.socket(), narrow)
	if err != nil {
		r.Fatal(err)
	}
	defer watchlist.Close()
	subscribe(r, watchlist, &feedv1.Subscribe{Symbols: n.market.Symbols, Channels: []string{"quote"}, CadenceMs: proto.Uint32(0)})
	others.calm()
	memory, conflated, began := n.feedd.Footing().Heap, n.feedd.Number("feedd_conflated_total"), time.Now()
	const rate = 100_000 / 8 // bytes a second
	way.narrow(rate)
	aside.narrow(rate / 5)
	time.Sleep(30 * time.Second)
	now := time.Now()
	settled := began.Add(15 * time.Second)
	shown := func(who string, t *rig.Tape) {
		age, rows := t.Age(0.5, settled, now)
		r.duration(who+": age of quotes, p50", age)
		age, _ = t.Age(0.99, settled, now)
		r.duration(who+": p99", age)
		r.duration(who+": longest that an instrument was shown no quote", t.Wait(settled, now))
		r.figure(who+": quotes", float64(rows)/now.Sub(settled).Seconds(), "a second")
	}
	shown("everything", slow)
	shown("quotes alone, 20 kbit/s", quotes)
	r.figure("ticks conflated", (n.feedd.Number("feedd_conflated_total")-conflated)/now.Sub(began).Seconds(), "a second")
	r.figure("moved to a slower cadence", n.feedd.Number(`feedd_slow_clients_total{action="moved_down"}`), "times")
	r.figure("heap, more by", (n.feedd.Footing().Heap-memory)/1e6, "MB")
	others.seen()
	way.narrow(0)
	n.end()
	n.market.EndsWith(c, slow)
	r.figure("trades told missing", float64(slow.Lost()), "")
	c.Close()
	n.ends()
}

func subscribe(r *trial, c *client.Client, s *feedv1.Subscribe) {
	r.Helper()
	if _, err := c.Subscribe(rig.Deadline(r), s); err != nil {
		r.Fatal(err)
	}
}

// await waits until a client has quotes of everything.
func await(r *trial, c *client.Client, m *rig.Market) {
	r.Helper()
	err := c.Await(rig.Deadline(r), func(model *client.Model) bool {
		for _, symbol := range m.Symbols {
			if _, ok := model.Quote(symbol); !ok {
				return false
			}
		}
		return true
	})
	if err != nil {
		r.Fatal(err)
	}
}

// stuckClient subscribes to everything and reads nothing of it.
func stuckClient(r *trial) {
	n := newNode(r, 100)
	server, err := netip.ParseAddrPort(n.address())
	if err != nil {
		r.Fatal(err)
	}
	conn := n.subscribeRaw(0)
	self := conn.LocalAddr().(*net.TCPAddr).AddrPort()
	most, began := 0, time.Now()
	full := began // when the queue was last seen to grow
	rig.Eventually(r, "the end of the connection", func() bool {
		queued, ok := n.feedd.Queued(server, self)
		if queued > most {
			most, full = queued, time.Now()
		}
		return !ok
	})
	r.duration("given up after the last byte that was taken", time.Since(full))
	r.figure("queued in the kernel at most", float64(most)/1024, "KiB")
	if most > 64<<10 {
		r.Errorf("%d bytes were queued in the kernel", most)
	}
	rig.Eventually(r, "a word of it", func() bool { return n.feedd.Number(`feedd_slow_clients_total{action="closed"}`) > 0 })
	r.duration("in all", time.Since(began))
	_ = conn.Close()
	n.ends()
}

// halfOpen cuts off the hosts of two clients, of which one has rows on their way to it and the other none.
func halfOpen(r *trial) {
	network := rig.NewNetwork(r)
	n := &node{r: r, nats: rig.StartNATS(r)}
	rig.Record(r, n.nats.Connect(), 1)
	n.feedd = n.serve("--listen", network.Address()+":0", "--anonymous")
	n.open(2)
	quiet := rig.OpenMarket(r, n.nats.URL(), rig.MarketOptions{Venue: "quiet", Names: []string{"Q"}})
	quiet.StepEach()
	n.look(n.feedd)
	n.before = n.feedd.Footing()
	u, err := url.Parse(n.feedd.WebSocket())
	if err != nil {
		r.Fatal(err)
	}
	for _, c := range []struct{ name, symbol string }{{"with rows under way", n.market.Symbols[0]}, {"with none", quiet.Symbols[0]}} {
		host := network.Host()
		watching := host.Run(r, "watch", "--url", "ws://"+u.Host+"/v1/ws", c.symbol)
		watching.Says(c.symbol)
		connections := func() int { return int(n.feedd.Number("feedd_connections")) }
		rig.Eventually(r, "the client", func() bool { return connections() == 2 })
		began := time.Now()
		host.Drop(network.Address())
		rig.Eventually(r, "the end of the connection", func() bool { return connections() == 1 })
		r.duration("gone "+c.name, time.Since(began))
		watching.Kill()
	}
	n.ends()
}

// subscribeRaw connects, asks for everything at once, and leaves reading to the caller, with a small buffer in the kernel.
func (n *node) subscribeRaw(cadence time.Duration) net.Conn {
	n.r.Helper()
	request, err := proto.Marshal(&feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{
		Symbols: n.market.Symbols, Channels: []string{market.ChannelQuote.String(), market.ChannelTrade.String(), market.ChannelBook.String()},
		CadenceMs: proto.Uint32(uint32(cadence.Milliseconds())),
	}}})
	if err != nil {
		n.r.Fatal(err)
	}
	return rawClient(n.r, n.address(), 4<<10, encode(request))
}
