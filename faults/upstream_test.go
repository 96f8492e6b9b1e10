package faults

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/internal/rig"
	"github.com/feedd/feedd/market"
)

// upstreamRows are those of NATS, publishers, policy and keys.
var upstreamRows = []row{
	{
		number: 1, fault: "the NATS server under feedd killed",
		expected: "feedd goes over to another server, nothing is lost and no client is disconnected",
		run:      natsKilled, short: true, held: []string{"e2e.TestNATSIsKilledAndComesBack"},
	},
	{
		number: 2, fault: "the NATS server under feedd frozen",
		expected: "clients are told suspect within 3 s, feedd goes over to another server, nothing is lost",
		run:      natsFrozen, short: true,
	},
	{
		number: 3, fault: "all NATS servers down for a minute",
		expected: "feedd stays up, says that its values are stale, and is fresh again by itself",
		run:      allDown,
	},
	{
		number: 4, fault: "the way from feedd to its NATS server drops every packet",
		expected: "as when it is frozen",
		run:      natsCutOff, network: true,
	},
	{
		number: 5, fault: "a NATS cluster split one to two",
		expected: "the majority goes on, the minority refuses writes of the policy, and both run the same one afterwards",
		run:      clusterSplit, network: true,
	},
	{
		number: 6, fault: "the stream's leader killed, frozen, or asked to step down",
		expected: "live ticks do not notice; readers of the stream go on, and nothing comes twice",
		run:      leaderLost,
	},
	{
		number: 7, fault: "the watch of the policy's bucket lost",
		expected: "the policy of meanwhile is in force again by itself",
		run:      watchLost, short: true, held: []string{"policy/live.TestNodesFollowABucket"},
	},
	{
		number: 8, fault: "JetStream loses its power and its disks",
		expected: "the last good policy stays in force, and an older one does not come back in its place",
		run:      powerLost, held: []string{"e2e.TestNodesShareAPolicy"},
	},
	{
		number: 9, fault: "a NATS client too slow for what comes",
		expected: "what NATS drops is counted, and found missing by number: never silent",
		run:      slowConsumer, short: true, held: []string{"ingest.TestMessagesDroppedByASlowIngestAreCounted"},
	},
	{
		number: 10, fault: "a NATS server in lame duck mode",
		expected: "feedd moves, and nothing is lost",
		run:      lameDuck,
	},
	{
		number: 13, fault: "a rolling restart of three nodes behind a balancer, with the market running",
		expected: "every client comes back by itself, and nothing is lost",
		run:      rollingRestart, tools: []string{"nginx"},
	},
	{
		number: 28, fault: "duplicate ticks",
		expected: "each counts once",
		held:     []string{"e2e.TestFaults", "e2e.TestTwoLines"},
	},
	{
		number: 29, fault: "ticks out of order",
		expected: "an older one never takes the place of a newer",
		held:     []string{"e2e.TestFaults", "ingest.TestLossIsNeverSilent"},
	},
	{
		number: 30, fault: "ticks with gaps",
		expected: "what is missing is counted, mended where somebody has it, and told where nobody does",
		held:     []string{"e2e.TestFaults", "e2e.TestTradesThatNobodyHas", "ingest.TestLossIsNeverSilent"},
	},
	{
		number: 31, fault: "a publisher that starts again and counts anew",
		expected: "its new epoch counts at once, stragglers of the old one are dropped",
		run:      publisherRestarts, short: true, held: []string{"e2e.TestPublisherRestarts", "ingest.TestPublisherRestart"},
	},
	{
		number: 32, fault: "two publishers with one name",
		expected: "the one with the larger epoch counts, the other is refused; where they cannot be told apart clients are told suspect; a metric names the source",
		run:      twoPublishers, short: true,
	},
	{
		number: 33, fault: "clocks an hour off, of a publisher and of a node",
		expected: "nothing stalls; ages are not below zero, and what is ahead is counted",
		run:      clocksOff, held: []string{"ingest.TestClocksThatDiffer", "auth.TestClocksMayDifferALittle"},
	},
	{
		number: 34, fault: "policies that are invalid, cut short or hostile",
		expected: "refused with the place and the reason; the one in force stays",
		run:      hostilePolicies, short: true, held: []string{"policy/live.TestABadVersionInTheBucketIsRefusedByEveryNode", "e2e.TestAPolicyFileIsFollowed"},
	},
	{
		number: 35, fault: "50 who write policies at once",
		expected: "one wins at a time, the others are told 412, and no change is lost",
		run:      manyWriters, short: true, held: []string{"policy/live.TestWritersLoseNoUpdate", "policy/live.TestOneOfManyWritesToTheSameRevisionSucceeds"},
	},
	{
		number: 42, fault: "an issuer's keys unreachable, and rotated",
		expected: "known keys stay good, a new one is fetched once, and not for every bad token",
		held:     []string{"e2e.TestKeysRotateUnderLoad", "auth.TestKeysRotate", "auth.TestForgedTokensAreNoFlood", "auth.TestAnIssuerThatIsAwayAtTheStartIsAskedAgain"},
	},
	{
		number: 43, fault: "a balancer that is reloaded, or dies",
		expected: "its clients alone come back, by themselves",
		run:      balancerReloads, tools: []string{"nginx"},
	},
}

// beyond are rows that the usual list of faults does not have.
var beyond = []row{
	{
		number: 45, fault: "nodes, publishers, clients and policies of other versions at once",
		expected: "what is not known is passed over, refused or counted by name; clients are sent to no node that speaks otherwise, and nothing is lost",
		run:      mixedVersions, short: true,
		held: []string{"e2e.TestNodesSendClientsToOneAnother", "fleet.TestLoadsThatCannotBeUsed", "internal/client/quoterow.TestNumbersOfLaterVersionsArePassedOver"},
	},
	{
		number: 47, fault: "the NATS server under a node on demand killed, while instruments are being warmed up and others are watched",
		expected: "both go on at another server: of what is watched nothing is lost, what was cold says since when it is known, and every instrument is subscribed to once",
		run:      demandKilled, short: true, held: []string{"ingest.TestDemandConverges"},
	},
	{
		number: 46, fault: "a balancer that cuts idle connections",
		expected: "heartbeats keep those of one that waits longer than they are apart; those of another come back by themselves, lose nothing, and the log and a metric name the cut",
		run:      idleCuts, tools: []string{"nginx"}, held: []string{"transport/conns.TestCutsOfIdleConnectionsAreNamed"},
	},
}

// cluster is three NATS servers that record the ticks, a feedd, a market at another server than feedd is, and a person who looks.
type cluster struct {
	r      *trial
	nats   *rig.NATSCluster
	under  *rig.NATSServer // feedd
	stream jetstream.Stream
	feedd  *rig.Process
	market *rig.Market
	viewer *rig.Viewer
	before rig.Footing
}

func newCluster(r *trial, hosts ...*rig.Host) *cluster {
	c := &cluster{r: r, nats: rig.StartCluster(r, 3, hosts...)}
	c.stream = rig.Record(r, c.nats.Connect(), 3)
	c.feedd = rig.Serve(r, "--sim", "off", "--nats-url", c.nats.URL(0))
	at := c.nats.Heard("feedd")
	c.under = c.nats.Servers[at]
	c.market = rig.OpenMarket(r, c.nats.URL(at+1), rig.MarketOptions{Seed: r.random.Uint64()})
	c.market.StepEach()
	c.viewer = rig.View(r, c.market.Symbols, rig.ViewerOptions{URLs: []string{c.feedd.WebSocket()}})
	c.awaitQuality(market.QualityOK, time.Time{})
	c.before = c.feedd.Footing()
	return c
}

// awaitQuality waits until the person was told, after a time, that the source is so, and returns when.
func (c *cluster) awaitQuality(q market.Quality, since time.Time) (at time.Time) {
	c.r.Helper()
	rig.Eventually(c.r, "word of the source", func() bool {
		for _, told := range c.viewer.Told("crash", since) {
			if told.Quality == q {
				at = told.At
				return true
			}
		}
		return false
	})
	return at
}

// ends holds that nothing was lost, nobody was disconnected and nothing is left behind.
func (c *cluster) ends() {
	c.r.Helper()
	c.endsWithLosses()
	if n := c.viewer.Lost(); n != 0 {
		c.r.Errorf("%d trades are told missing", n)
	}
}

// endsWithLosses does the same where losses are told.
func (c *cluster) endsWithLosses() {
	c.r.Helper()
	c.market.EndsWith(c.viewer.Connected(), c.viewer.Tape)
	c.r.figure("clients disconnected", float64(len(c.viewer.Ends())), "")
	for _, end := range c.viewer.Ends() {
		c.r.Errorf("the client was disconnected: %v", end.Err)
	}
	c.r.figure("trades told missing", float64(c.viewer.Lost()), "")
	c.feedd.Settles(c.r, c.before)
}

// sometime lets a random while of the market pass.
func (c *cluster) sometime() { c.market.Await(50 + c.r.random.IntN(200)) }
