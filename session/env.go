package session

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// Engine sends rows to connections. Its methods may be called from any goroutine.
type Engine interface {
	// Handle finds or allocates the handle of an instrument's channel.
	Handle(id market.InstrumentID, ch market.Channel, v market.View) fanout.Handle
	// View returns the view that a handle stands for.
	View(h fanout.Handle) market.View
	// SourceHandle finds or allocates the handle of a source's status; 0 for a source that no instrument
	// has.
	SourceHandle(source string) fanout.Handle
	// TradesFrom returns the oldest trade that the log of a handle's instrument holds; false for none.
	TradesFrom(h fanout.Handle) (oldest market.Position, ok bool)
	Attach(c fanout.Conn, f fanout.Framing) Subscriber
	// Snapshot returns the rows that a new subscriber of items would begin with, as one frame's payload. It fails
	// with a fanout.TooLargeError where they take more than limit bytes.
	Snapshot(items []fanout.Item, e fanout.Encoding, limit int) ([]byte, error)
}

// Subscriber is a connection's place in the engine. What its methods ask for happens in the order asked.
type Subscriber interface {
	// Subscribe has items sent at a cadence. New ones begin with full rows; those subscribed at another
	// cadence move and go on where they were. At throttle.Paused nothing is sent.
	// The subscriber keeps items.
	Subscribe(items []fanout.Item, c throttle.Cadence)
	// Unsubscribe ends the rows of handles: when it returns, none will follow. Without that a row could
	// arrive behind the answer, and be taken for the first one of the subscription that comes next.
	Unsubscribe(handles []fanout.Handle)
	// Limit holds the connection to so many bytes of rows a second; 0: to none.
	Limit(bytesPerSecond int)
	// Load is what the connection was sent so far, and what kept it from more.
	Load() fanout.Load
	// Wake says that the connection takes frames again.
	Wake()
	// Detach ends the subscriber: when it returns, no Send is running and none will follow. It tells what the
	// subscriber went without.
	Detach() fanout.Tally
}

// Directory knows the instruments. Its methods may be called from any goroutine.
type Directory interface {
	Lookup(sym market.Symbol) (market.InstrumentID, bool)
	Instrument(id market.InstrumentID) market.Instrument
	// Match returns the instruments, but delisted ones, whose "venue:NAME" fits a pattern in which * stands for any run of
	// characters, sorted by symbol, at most limit of them.
	Match(pattern string, limit int) []market.InstrumentID
	// Revision counts the definitions of instruments, and their changes, so far.
	Revision() uint64
	// DefinedSince returns the instruments that were defined or changed since a revision, perhaps with repeats and
	// perhaps with others, and the revision that this is up to.
	DefinedSince(revision uint64) (ids []market.InstrumentID, now uint64)
}

// Lists knows named lists of symbols and patterns. Its methods may be called from any goroutine.
type Lists interface {
	Entries(name string) ([]string, bool)
	// Has reports whether a symbol stands in a list or fits one of its patterns; false where there is no such list.
	Has(name, symbol string) bool
	Names() []string
	// Revision changes with the lists.
	Revision() uint64
}

// Conn is what a session needs of its connection. Drained is called from within Receive only, the other
// methods from any goroutine.
type Conn interface {
	fanout.Conn
	// SendControl queues one ServerFrame, in the connection's encoding, behind what is pending. It never
	// waits. False: more is pending than the connection holds, or it has ended; in the former case it is
	// ending now, with CloseAnswersUnread. payload may be reused at once.
	SendControl(payload []byte) bool
	// Drained waits until nothing is pending, or was not for a moment since the call. It returns false
	// once the connection has ended. By waiting here a session asks no more of a connection than it takes,
	// and a client that does not read its answers is not read from either.
	Drained() bool
	// Ready tells whether nothing is pending. It never waits.
	Ready() bool
	// Admitted says that it is known who the client is: bounds for those of whom it is not no longer hold. Called from
	// within Receive, or before the first.
	Admitted()
	// Close asks the connection to end and returns at once.
	Close(code CloseCode, reason string)
	// Remote is where it comes from, and Transport what it runs over, for operators.
	Remote() string
	Transport() string
}

// Env is what all sessions of a server share. They only read what is exported.
type Env struct {
	Engine    Engine
	Directory Directory
	Lists     Lists     // nil: there are none
	Backfill  *Backfill // nil: what the engine's log does not hold is lost
	Delayed   []Feed    // by their delays; at most MaxDelayed
	Policy    *throttle.InForce
	Access    Access   // nil: anybody may have everything, and tokens are not taken
	Users     *Users   // nil: nobody counts the sessions of a user
	Usage     Usage    // nil: nobody counts who holds what
	Interest  Interest // nil: the node carries everything

	// Told to clients in the welcome; the transport and the engine keep to them.
	Server      string        // name and version
	ClientFrame int           // bytes of the largest message from a client
	ServerFrame int           // bytes of the largest message to a client; at least minServerFrame
	Heartbeat   time.Duration // longest silence towards a client

	// Alternates returns the URLs of other nodes that a client may go to, the best first. nil: there are none.
	Alternates func() []string
	// WebTransport returns where this node serves it. nil: nowhere.
	WebTransport func() *feedv1.WebTransport

	// Trace notes that a session begins to carry out a request that names so many symbols, and returns what notes its end.
	// nil: nobody wants to know.
	Trace func(session, request string, symbols int) (done func())

	Clock    func() int64  // microseconds since the Unix epoch
	NewID    func() string // names a session; nil: random
	Counters *drop.Counters
	Moves    Moves
	Log      *slog.Logger

	descriptions descriptions
}

// minServerFrame leaves room for any part of an answer beside one row too many.
const minServerFrame = 2 * partBytes

// Validate reports everything that is missing or out of its range. Call it once, before the first session.
func (e *Env) Validate() error {
	var wrong []error
	for _, f := range []struct {
		name    string
		missing bool
	}{
		{"Engine", e.Engine == nil}, {"Directory", e.Directory == nil}, {"Clock", e.Clock == nil},
		{"Counters", e.Counters == nil}, {"Log", e.Log == nil}, {"Policy", e.Policy == nil},
	} {
		if f.missing {
			wrong = append(wrong, fmt.Errorf("session.Env: %s is missing", f.name))
		}
	}
	if e.ClientFrame <= 0 {
		wrong = append(wrong, fmt.Errorf("session.Env: ClientFrame of %d bytes: want more than 0", e.ClientFrame))
	}
	if e.ServerFrame < minServerFrame {
		wrong = append(wrong, fmt.Errorf("session.Env: ServerFrame of %d bytes: want at least %d", e.ServerFrame, minServerFrame))
	}
	if e.Heartbeat < time.Millisecond {
		wrong = append(wrong, fmt.Errorf("session.Env: Heartbeat of %v: want at least 1ms", e.Heartbeat))
	}
	if len(e.Delayed) > MaxDelayed || !slices.IsSortedFunc(e.Delayed, func(a, b Feed) int { return cmp.Compare(a.Delay, b.Delay) }) {
		wrong = append(wrong, fmt.Errorf("session.Env: %d delayed feeds: want at most %d, by their delays", len(e.Delayed), MaxDelayed))
	}
	for i := range e.Delayed {
		f := &e.Delayed[i]
		if f.Delay < time.Second || f.Engine == nil || f.Directory == nil || f.FirstHandle == 0 {
			wrong = append(wrong, fmt.Errorf("session.Env: delayed feed %d: want a delay of 1s or more, an engine, a directory and a first handle", i))
		}
	}
	return errors.Join(wrong...)
}

func (e *Env) trace(session, request string, symbols int) (done func()) {
	if e.Trace == nil {
		return func() {}
	}
	return e.Trace(session, request, symbols)
}

// revisions say how far the directories of all feeds and the lists have come, and which policy is in force.
type revisions struct {
	directory [MaxDelayed + 1]uint64
	lists     uint64
	policy    *throttle.Policy
}

func (e *Env) revisions() revisions {
	r := revisions{policy: e.Policy.Policy()}
	for n := range e.Delayed {
		r.directory[n+1] = e.Delayed[n].Directory.Revision()
	}
	r.directory[0] = e.Directory.Revision()
	if e.Lists != nil {
		r.lists = e.Lists.Revision()
	}
	return r
}

func (e *Env) alternates() []string {
	if e.Alternates == nil {
		return nil
	}
	return e.Alternates()
}

func (e *Env) webTransport() *feedv1.WebTransport {
	if e.WebTransport == nil {
		return nil
	}
	return e.WebTransport()
}

func (e *Env) newID() string {
	if e.NewID != nil {
		return e.NewID()
	}
	return rand.Text()[:16]
}

// statusHandle returns the handle of an instrument's status. It exists for every instrument that a session holds.
func (e *Env) statusHandle(id market.InstrumentID) fanout.Handle {
	return e.handle(id, market.ChannelStatus, market.View{})
}
