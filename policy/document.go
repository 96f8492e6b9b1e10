package policy

import "go.yaml.in/yaml/v3"

// Document is a throttle policy: plans that users are on, rules for some instruments, and kill switches.
type Document struct {
	// The tier of sessions whose token names none, or one that is not here.
	DefaultTier string `yaml:"default_tier,omitempty"`
	// Plans that users are on, by name.
	Tiers map[string]*Tier `yaml:"tiers"`
	// Exceptions for some instruments and channels. They are tried from the top, and the first that fits decides.
	Rules []*Rule `yaml:"rules,omitempty"`
	// Kill switches: while one is here, nothing is sent of what it names.
	Stops []*Stop `yaml:"stops,omitempty"`

	root *yaml.Node // the text that it was read from; nil: none
}

// Limits are what a tier, or a rule in its place, says of a subscription.
type Limits struct {
	// How often rows are sent to a client that does not say.
	Default *Cadence `yaml:"default,omitempty"`
	// The most often that rows are sent, whatever a client asks for.
	Fastest *Cadence `yaml:"fastest,omitempty"`
	// The most often while nobody looks: the page is in the background.
	Hidden *Cadence `yaml:"hidden,omitempty"`
	// Of quotes: prices come as often as granted, changes of sizes alone no more often than this. Nine of ten messages at the
	// top of a book change only a size.
	SizeChanges *Cadence `yaml:"size_changes,omitempty"`
	// Of books: levels a side at most.
	Depth *Depth `yaml:"depth,omitempty"`
	// How fresh data may be: in real time, delayed, or none at all.
	Timeliness *Timeliness `yaml:"timeliness,omitempty"`
}

// Tier is a plan that users are on. What it leaves out is as built in.
type Tier struct {
	Limits `yaml:",inline"`
	// Bytes of rows a second that a session is sent at most, as they are on the wire. Beyond it rows come less often, each with
	// the latest values.
	BytesPerSecond *Bytes `yaml:"bytes_per_second,omitempty"`
	// Pairs of symbol and channel that a session may hold. A lower number ends nothing that is held.
	Subscriptions *Count `yaml:"subscriptions,omitempty" min:"1" max:"65535"`
	// Whose sessions are ended when the server has more to carry than it can and slower rows do not help: those of the tiers
	// with the lowest number. 0 unless it says otherwise.
	Priority *Count `yaml:"priority,omitempty" min:"0" max:"100"`
	// Sessions that a user may have at a time on one node; 0 for any number.
	SessionsPerUser *Count `yaml:"sessions_per_user,omitempty" min:"0" max:"1000000"`
	// Symbols that one request may name, matches of patterns included.
	SymbolsPerRequest *Count `yaml:"symbols_per_request,omitempty" min:"1" max:"65535"`
	// Requests a second that a session may make.
	RequestsPerSecond *Count `yaml:"requests_per_second,omitempty" min:"1" max:"10000"`
	// Requests at once, after a quiet time.
	RequestBurst *Count `yaml:"request_burst,omitempty" min:"1" max:"100000"`
	// Past trades that a subscription begins with.
	TradeHistory *History `yaml:"trade_history,omitempty"`
	// Past bars that a subscription begins with.
	BarHistory *History `yaml:"bar_history,omitempty"`
	// When a session is slowed down because it cannot take what it is granted, and when it is tried faster again.
	Adaptive *Adaptive `yaml:"adaptive,omitempty"`
}

// Adaptive slows sessions down, a rung at a time, whose connection is congested, whose client says that it lags, or whose ceiling of
// bytes makes rows wait longer than a slower cadence would. Each step is a grant with its reason, and goes back when it is over.
type Adaptive struct {
	// Whether any of this is done.
	Enabled *bool `yaml:"enabled,omitempty"`
	// The share of the time that a connection takes nothing, from which on it is congested.
	Blocked *Percent `yaml:"blocked,omitempty"`
	// How late the client's own loop runs, as it tells, from which on it cannot keep up.
	Lag *Span `yaml:"lag,omitempty" min:"20ms" max:"10s"`
	// Trouble lasts so long before a step down, and before the next one.
	DownAfter *Span `yaml:"down_after,omitempty" min:"1s" max:"1m"`
	// Calm lasts so long before a step up; twice as long each time that trouble came back.
	UpAfter *Span `yaml:"up_after,omitempty" min:"2s" max:"10m"`
}

// History is how many past events a subscription begins with.
type History struct {
	// Where the client does not say.
	Default *Count `yaml:"default,omitempty" min:"0" max:"65535"`
	// At most.
	Most *Count `yaml:"most,omitempty" min:"0" max:"65535"`
}

// Rule gives some instruments and channels limits of their own. What it leaves out is as the tier has it.
type Rule struct {
	// What operators and grants call it.
	Name string `yaml:"name"`
	// Tiers that it is for; none means all.
	Tiers []string `yaml:"tiers,omitempty"`
	// Instruments as venue:NAME, in which * stands for any run of characters; none means all.
	Symbols []string `yaml:"symbols,omitempty"`
	// Channels: quote, trade, book, bar, stats; none means all.
	Channels []string `yaml:"channels,omitempty"`
	Limits   `yaml:",inline"`
}

// Stop is a kill switch. Subscriptions stay, are told that they are stopped, and go on when it is gone.
type Stop struct {
	// What operators call it.
	Name string `yaml:"name"`
	// Tiers that it is for; none means all.
	Tiers []string `yaml:"tiers,omitempty"`
	// Instruments as venue:NAME, in which * stands for any run of characters.
	Symbols []string `yaml:"symbols"`
	// Channels: quote, trade, book, bar, stats; none means all.
	Channels []string `yaml:"channels,omitempty"`
	// Why, for operators.
	Reason string `yaml:"reason,omitempty"`
	// When it ends by itself, as in 2026-01-31T18:00:00Z; none means never.
	Until *Time `yaml:"until,omitempty"`
}

// Bounds of a document. All of it is looked at for each subscription of each session, so they bound what a change costs.
const (
	MaxBytes    = 128 << 10
	maxTiers    = 100
	maxEntries  = 500  // rules, and stops
	maxPatterns = 2000 // of all rules and stops
	maxPattern  = 64   // bytes
	maxReason   = 500  // bytes
)
