package throttle

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/feedd/feedd/market"
)

// DefaultTier is what the tier of a policy is called that has but one.
const DefaultTier = "default"

// Policy is what operations allow, ready to be resolved against. It is immutable once it is in force: a change is
// another Policy. Package policy makes one of what operators write, and refuses what makes no sense.
type Policy struct {
	Revision    uint64
	Tiers       map[string]*Tier
	DefaultTier string // of sessions that have none, or one that Tiers lacks; a key of Tiers
}

// Tier is what a plan that users are on allows. It stands for itself: a session needs no more of its policy.
type Tier struct {
	Name     string
	Revision uint64 // of its policy; tells clients and operators which one decided

	Limits         // where no rule decides
	Rules  []*Rule // in the order in which they are tried: the first one that fits decides
	Stops  []*Stop

	// Of a session.
	Subscriptions     int // pairs of symbol and channel that it may hold
	SymbolsPerRequest int // that one subscribe may name, matches of patterns included
	RequestsPerSecond int // sustained
	RequestBurst      int // at once, after a quiet time
	BytesPerSecond    int // of rows sent to it, as frames on the wire; 0: no ceiling
	SessionsPerUser   int // on one node; 0: no limit

	// Overload is the fastest cadence while the server has more to carry than it can; Immediate: it can carry all. It is
	// InForce's to set.
	Overload Cadence
	// Priority decides whose sessions are ended when that does not help: those of the tiers with the lowest.
	Priority int
	Adaptive Adaptive

	// Of a subscription's beginning.
	DefaultHistory int // past trades, where the client does not say
	MaxHistory     int // at most so many
	DefaultBars    int // the same for bars
	MaxBars        int
}

// Limits are what a tier or a rule says of a subscription.
type Limits struct {
	Default     Cadence // for a subscription without a wish
	Fastest     Cadence // nobody gets a faster one
	Hidden      Cadence // the fastest for a subscription that nobody is looking at
	SizeChanges Cadence // quotes: changes of sizes alone come no more often, those of prices at once; Immediate: with the prices
	Depth       uint8   // of books: levels a side at most; 0: all
	Timeliness  Timeliness
}

// FastestAnywhere is the fastest cadence that any rule of a tier gives.
func (t *Tier) FastestAnywhere() Cadence {
	fastest := t.Fastest
	for _, r := range t.Rules {
		fastest = min(fastest, r.Fastest)
	}
	return fastest
}

// Timeliness is how fresh data may be.
type Timeliness uint8

// Timelinesses, the freest first.
const (
	RealTime Timeliness = iota
	Delayed             // by as much as the venue asks
	NoData              // not to be had
	Timelinesses
)

var timelinesses = [Timelinesses]string{"realtime", "delayed", "none"}

// String returns "realtime", "delayed" or "none".
func (t Timeliness) String() string {
	if t < Timelinesses {
		return timelinesses[t]
	}
	return "invalid"
}

// Rule gives some of a tier's subscriptions limits of their own.
type Rule struct {
	Name     string
	Line     int      // in the text of the policy
	Symbols  []string // patterns of venue:NAME in which * stands for any run of characters; none: all
	Channels Channels // none: all
	Limits            // with those of the tier where the rule says nothing
}

func (r *Rule) fits(text string, ch market.Channel) bool {
	return r.Channels.Has(ch) && fitsAny(r.Symbols, text)
}

// Stop is a kill switch: while it is there, nothing is sent of what it names.
type Stop struct {
	Name     string
	Symbols  []string // as in Rule
	Channels Channels
}

func fitsAny(patterns []string, text string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return market.Fits(p, text) })
}

// Channels is a set of channels. The empty one stands for all.
type Channels uint16

// With returns c with one more channel.
func (c Channels) With(ch market.Channel) Channels { return c | 1<<ch }

// Has reports whether ch is one of c.
func (c Channels) Has(ch market.Channel) bool { return c == 0 || c&(1<<ch) != 0 }

// Covers reports whether c has all channels that other has.
func (c Channels) Covers(other Channels) bool { return c == 0 || other != 0 && other&^c == 0 }

// Tier returns the tier of a name, or the default one.
func (p *Policy) Tier(name string) *Tier {
	if t := p.Tiers[name]; t != nil {
		return t
	}
	return p.Tiers[p.DefaultTier]
}

// Default is the policy of a server that was told nothing else.
func Default() *Policy {
	t := BuiltInTier()
	return &Policy{Tiers: map[string]*Tier{t.Name: &t}, DefaultTier: t.Name}
}

// BuiltInTier is what a tier allows that says nothing of itself.
func BuiltInTier() Tier {
	return Tier{
		Name:          DefaultTier,
		Limits:        Limits{Default: Every250ms, Fastest: Immediate, Hidden: Every2s},
		Subscriptions: 1024, SymbolsPerRequest: 1024,
		RequestsPerSecond: 50, RequestBurst: 100,
		DefaultHistory: 50, MaxHistory: 1000,
		DefaultBars: 300, MaxBars: 1440,
		Adaptive: DefaultAdaptive(),
	}
}

// InForce is the policy of this moment. Sessions read it, whoever applies policies replaces it, and whoever watches over
// the load slows it down; all from any goroutine.
type InForce struct {
	p atomic.Pointer[Policy]

	mu       sync.Mutex
	applied  *Policy
	overload Cadence
}

// NewInForce returns one in which p is in force.
func NewInForce(p *Policy) *InForce {
	f := new(InForce)
	f.Replace(p)
	return f
}

// Policy returns the one in force.
func (f *InForce) Policy() *Policy { return f.p.Load() }

// Replace puts p in force. It must not be changed any more.
func (f *InForce) Replace(p *Policy) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applied = p
	f.p.Store(p.slowedTo(f.overload))
}

// Slow has nobody get rows faster than c, whatever the policy, until it is called again; Immediate ends that.
func (f *InForce) Slow(c Cadence) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.overload != c {
		f.overload = c
		f.p.Store(f.applied.slowedTo(c))
	}
}

// slowedTo returns p with nobody faster than c.
func (p *Policy) slowedTo(c Cadence) *Policy {
	if c == Immediate {
		return p
	}
	slowed := *p
	slowed.Tiers = make(map[string]*Tier, len(p.Tiers))
	for name, t := range p.Tiers {
		tier := *t
		tier.Overload = c
		slowed.Tiers[name] = &tier
	}
	return &slowed
}
