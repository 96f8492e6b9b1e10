package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/feedd/feedd/policy"
	"github.com/feedd/feedd/throttle"
)

// Source is where policies come from. Its methods may be called from any goroutine.
type Source interface {
	// Kind is "file" or "nats"; Place is which one.
	Kind() string
	Place() string
	// Watch tells to of the newest version and of each later one, until ctx ends.
	Watch(ctx context.Context, to Listener)
	// Put writes a version in place of the one with the expected revision and returns its own. It fails with a
	// policy.ConflictError, policy.ErrReadOnly or policy.ErrUnavailable.
	Put(ctx context.Context, v policy.Version, expected uint64) (revision uint64, err error)
	// History returns the versions that are kept, oldest first.
	History(ctx context.Context) ([]policy.Version, error)
	// Report tells other nodes of this one, and Nodes returns what was reported in the last minute.
	Report(ctx context.Context, n policy.Node) error
	Nodes(ctx context.Context) ([]policy.Node, error)
}

// Listener hears what a source has.
type Listener interface {
	Found(v policy.Version)
	Empty()         // it is reached and has none
	Lost(err error) // it cannot be reached now
}

// Options of a Keeper.
type Options struct {
	Source   Source // nil: nothing but what is built in
	Dir      string // of the last good copy; empty: none is kept
	Node     string // name of this node
	Server   string // name and version of the software
	Sessions func() int
	Clock    func() time.Time
	Log      *slog.Logger
}

// Keeper is a node's hold on the policy in force. Its methods may be called from any goroutine.
type Keeper struct {
	options Options
	inForce *throttle.InForce

	mu       sync.Mutex
	version  policy.Version   // the newest that was taken
	document *policy.Document // what of it is in force: that of version, or what comes back after it
	lapsed   bool             // version was temporary, and its time is over
	enforced time.Time        // when the document was compiled last
	refused  *policy.Refused
	heard    bool          // the source has told something
	stale    bool          // the source cannot be reached, or has lost its policy
	changed  chan struct{} // closed, and made anew, with each change of the above
}

const (
	// reportEvery is how often a node says that it is there.
	reportEvery = 10 * time.Second
	// retryAfter is the time until another try to write down that a temporary change has ended.
	retryAfter = 5 * time.Second
	// writeWithin bounds one write.
	writeWithin = 5 * time.Second
)

// New returns a keeper of the last good copy, or else of the built-in policy.
func New(o Options) *Keeper {
	k := &Keeper{options: o, changed: make(chan struct{}), stale: o.Source != nil}
	v, err := load(o.Dir)
	if err != nil {
		o.Log.Warn("the last good copy of the policy cannot be used", slog.Any("err", err))
	}
	if v.Text == "" {
		v = policy.Version{Kind: policy.BuiltIn, Text: policy.BuiltInText}
	}
	k.inForce = throttle.NewInForce(throttle.Default())
	if !k.take(v) {
		k.take(policy.Version{Kind: policy.BuiltIn, Text: policy.BuiltInText})
	}
	return k
}

// InForce is where the policy of this moment is.
func (k *Keeper) InForce() *throttle.InForce { return k.inForce }

// Run follows the source until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	var following sync.WaitGroup
	defer following.Wait()
	if k.options.Source != nil {
		following.Go(func() { k.options.Source.Watch(ctx, k) })
	}
	report := time.NewTicker(reportEvery)
	defer report.Stop()
	for {
		changed := k.changes() // ahead of what follows from them, so that none falls between
		k.report(ctx)
		select {
		case <-changed:
		case <-k.due():
			k.lapse(ctx)
		case <-report.C:
		case <-ctx.Done():
			return
		}
	}
}

// Heard waits until the source has told something, at most until ctx ends.
func (k *Keeper) Heard(ctx context.Context) {
	if k.options.Source == nil {
		return
	}
	k.await(ctx, func() bool { return k.heard })
}

// await waits until ok, which is called under mu.
func (k *Keeper) await(ctx context.Context, ok func() bool) bool {
	for {
		k.mu.Lock()
		done, changed := ok(), k.changed
		k.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (k *Keeper) changes() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changed
}

// touch says that something has changed. mu is held.
func (k *Keeper) touch() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// Found implements Listener.
func (k *Keeper) Found(v policy.Version) {
	if err := k.goesBack(&v); err != nil {
		k.mu.Lock()
		k.refuse(v, err)
		k.mu.Unlock()
	} else {
		k.take(v)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heard, k.stale = true, false
	k.touch()
}

// goesBack says what is wrong with a version that is older than the one in force: revisions grow, so the source has lost its newest
// ones, as servers do that lost their power or their disks. One that begins anew after such a loss was written later.
func (k *Keeper) goesBack(v *policy.Version) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := &k.version
	if now.Kind == policy.BuiltIn || v.Revision > now.Revision || !v.Time.Before(now.Time) || v.Text == now.Text {
		return nil
	}
	return policy.Problems{{Text: fmt.Sprintf("revision %d of %s is older than revision %d of %s, which is in force: the source has lost what was written since; apply or roll back to what is wanted",
		v.Revision, v.Time.UTC().Format(time.DateTime), now.Revision, now.Time.UTC().Format(time.DateTime))}}
}

// Empty implements Listener. A source that has lost its policy is no reason to let everybody have everything.
func (k *Keeper) Empty() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.version.Kind != policy.BuiltIn {
		k.options.Log.Warn("the source has no policy: the last good copy stays in force", slog.String("place", k.options.Source.Place()), slog.Uint64("revision", k.version.Revision))
	}
	k.heard, k.stale = true, k.version.Kind != policy.BuiltIn
	k.touch()
}

// Lost implements Listener.
func (k *Keeper) Lost(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stale || !k.heard {
		k.options.Log.Warn("the source of the policy cannot be reached: what is in force stays so", slog.String("place", k.options.Source.Place()), slog.Any("err", err))
	}
	k.heard, k.stale = true, true
	k.touch()
}

// take puts a version in force, or notes why not.
func (k *Keeper) take(v policy.Version) (taken bool) {
	now := k.options.Clock()
	document, err := policy.Parse([]byte(textOf(&v, now)))
	if err == nil && v.Before != "" {
		_, err = policy.Parse([]byte(v.Before)) // it must be there when it is needed
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.refuse(v, err)
		return false
	}
	same := k.version.Revision == v.Revision && k.version.Text == v.Text && k.version.Kind == v.Kind && k.document != nil
	k.version, k.document, k.refused, k.lapsed = v, document, nil, textOf(&v, now) != v.Text
	if same {
		return true
	}
	k.enforce(now)
	k.options.Log.Info("policy in force", slog.Uint64("revision", v.Revision), slog.String("kind", string(v.Kind)), slog.String("actor", v.Actor), slog.String("reason", v.Reason))
	if err := save(k.options.Dir, &v); err != nil {
		k.options.Log.Warn("the last good copy of the policy cannot be kept", slog.Any("err", err))
	}
	return true
}

// refuse notes why a version is not taken. mu is held.
func (k *Keeper) refuse(v policy.Version, err error) {
	k.refused = &policy.Refused{Revision: v.Revision, Problems: policy.ProblemsOf(err)}
	k.options.Log.Error("policy refused: the running one stays", slog.Uint64("refused", v.Revision), slog.Uint64("running", k.version.Revision), slog.Any("err", err))
}

// enforce compiles the document. mu is held.
func (k *Keeper) enforce(now time.Time) {
	k.inForce.Replace(k.document.Compile(k.version.Revision, now))
	k.enforced = now
	k.touch()
}

// textOf is what of a version holds at a time.
func textOf(v *policy.Version, now time.Time) string {
	if !v.Expires.IsZero() && !now.Before(v.Expires) {
		return v.Before
	}
	return v.Text
}

// due returns a channel that is ready when time changes what is in force.
func (k *Keeper) due() <-chan time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.options.Clock()
	next := k.document.NextChange(k.enforced) // not from now: what fell due while something else was done is due
	switch {
	case k.lapsed:
		return time.After(retryAfter)
	case !k.version.Expires.IsZero() && (next.IsZero() || k.version.Expires.Before(next)):
		next = k.version.Expires
	}
	if next.IsZero() {
		return nil
	}
	return time.After(max(0, next.Sub(now)))
}

// lapse has what ends by itself end.
func (k *Keeper) lapse(ctx context.Context) {
	now := k.options.Clock()
	k.mu.Lock()
	v := k.version
	over := !v.Expires.IsZero() && !now.Before(v.Expires)
	news := !over
	if over && !k.lapsed {
		if d, err := policy.Parse([]byte(v.Before)); err == nil { // take has seen to that
			k.document, k.lapsed, news = d, true, true
			k.options.Log.Info("a temporary change of the policy has ended", slog.Uint64("revision", v.Revision))
		}
	}
	if news {
		k.enforce(now)
	}
	k.mu.Unlock()
	if !over || k.options.Source == nil {
		return
	}
	back := policy.Version{Kind: policy.Expiry, Of: v.BeforeFrom, Actor: "feedd", Reason: fmt.Sprintf("revision %d was temporary", v.Revision), Time: now, Text: v.Before}
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	var conflict *policy.ConflictError
	if _, err := k.options.Source.Put(ctx, back, v.Revision); err != nil && !errors.As(err, &conflict) { // another node was first
		k.options.Log.Warn("the end of a temporary change cannot be written down", slog.Any("err", err))
	}
}

func (k *Keeper) report(ctx context.Context) {
	if k.options.Source == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	if err := k.options.Source.Report(ctx, k.self()); err != nil && ctx.Err() == nil {
		k.options.Log.Debug("this node cannot be reported", slog.Any("err", err))
	}
}

// self is this node as others see it.
func (k *Keeper) self() policy.Node {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := policy.Node{Node: k.options.Node, Server: k.options.Server, Revision: k.version.Revision, State: "applied", Time: k.options.Clock().UTC()}
	if k.options.Sessions != nil {
		n.Sessions = k.options.Sessions()
	}
	if k.refused != nil {
		n.State, n.Error = "refused", fmt.Sprintf("revision %d: %v", k.refused.Revision, k.refused.Problems)
	}
	return n
}
