package faults

import (
	"fmt"
	"net/url"
	"time"

	"github.com/feedd/feedd/internal/rig"
)

// node is a feedd at a NATS server that records, a market, and a person who looks.
type node struct {
	r      *trial
	nats   *rig.NATSServer
	feedd  *rig.Process
	market *rig.Market
	viewer *rig.Viewer
	before rig.Footing
	end    func()     // of the market
	cores  *rig.Cores // nil: what serves shares them with all else
}

// newNode starts all of it, with a market of so many instruments that runs until ends.
func newNode(r *trial, instruments int, args ...string) *node {
	r.Helper()
	n := &node{r: r, nats: rig.StartNATS(r)}
	rig.Record(r, n.nats.Connect(), 1)
	n.feedd = n.serve(args...)
	n.open(instruments)
	n.look(n.feedd)
	n.before = n.feedd.Footing()
	return n
}

// newNodeApart is newNode with the server on a core of its own, in the long form of a row.
func newNodeApart(r *trial, instruments int, args ...string) *node {
	r.Helper()
	n := nodeApart(r)
	n.feedd = n.serve(args...)
	n.open(instruments)
	n.look(n.feedd)
	n.before = n.feedd.Footing()
	return n
}

// nodeApart is the NATS server of it, ahead of all that may keep it from its ticks.
func nodeApart(r *trial) *node {
	r.Helper()
	n := &node{r: r}
	if !r.short {
		n.cores = rig.Divide(r)
	}
	n.nats = rig.StartNATS(r)
	n.nats.Prefer()
	rig.Record(r, n.nats.Connect(), 1)
	return n
}

// serve starts a feedd.
func (n *node) serve(args ...string) *rig.Process {
	n.r.Helper()
	return n.cores.Serve(n.r, n.serving(args)...)
}

// serveBeside starts one where everything else is.
func (n *node) serveBeside(args ...string) *rig.Process {
	n.r.Helper()
	return rig.Serve(n.r, n.serving(args)...)
}

func (n *node) serving(args []string) []string {
	return append([]string{"--sim", "off", "--nats-url", n.nats.URL()}, args...)
}

// open starts the market.
func (n *node) open(instruments int) {
	n.r.Helper()
	var names []string
	for i := range instruments {
		names = append(names, fmt.Sprintf("I%03d", i))
	}
	n.market = rig.OpenMarket(n.r, n.nats.URL(), rig.MarketOptions{Names: names, Seed: n.r.random.Uint64()})
	n.market.StepEach()
	n.end = n.market.Run()
}

// look has a person look at all of it, on the first of some nodes and then on the next.
func (n *node) look(nodes ...*rig.Process) {
	n.r.Helper()
	n.viewer = rig.View(n.r, n.market.Symbols, rig.ViewerOptions{URLs: sockets(nodes...), Cadence: 50 * time.Millisecond, Seed: n.r.random.Uint64()})
}

func sockets(nodes ...*rig.Process) (urls []string) {
	for _, p := range nodes {
		urls = append(urls, p.WebSocket())
	}
	return urls
}

// ends holds that the person was not disconnected and has all that was published, and that the server holds nothing of what was.
func (n *node) ends() {
	n.r.Helper()
	n.end()
	n.market.Ends(n.viewer.Connected(), n.viewer.Tape)
	for _, end := range n.viewer.Ends() {
		n.r.Errorf("the client was disconnected: %v", end.Err)
	}
	n.viewer.Close()
	n.feedd.Settles(n.r, n.before)
}

// address is where the node takes connections, as host and port.
func (n *node) address() string {
	n.r.Helper()
	u, err := url.Parse(n.feedd.WebSocket())
	if err != nil {
		n.r.Fatal(err)
	}
	return u.Host
}

// share is how much more something is than it was, in per cent.
func share(was, is time.Duration) float64 {
	if was == 0 {
		return 0
	}
	return 100 * (float64(is)/float64(was) - 1)
}
