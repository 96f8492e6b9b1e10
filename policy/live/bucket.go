package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/policy"
)

const (
	policyKey = "current"
	versions  = 64 // that a bucket keeps; JetStream allows no more
	// nodesLive is how long a node is remembered that says nothing.
	nodesLive = time.Minute
	// lookAgain is the time between two looks whether a watch still tells everything, and for a bucket that is not there.
	lookAgain = 5 * time.Second
	lookSoon  = 500 * time.Millisecond
	// askWithin bounds one question to JetStream.
	askWithin = 3 * time.Second
)

// Bucket is a source that is a NATS key-value bucket, which all nodes watch. The revision of its one key is that of the policy.
type Bucket struct {
	nc   *nats.Conn
	name string
	log  *slog.Logger
}

var _ Source = (*Bucket)(nil)

// NewBucket returns the source of a bucket's name. The bucket is made with the first write, and so is that of the nodes, NAME_nodes.
func NewBucket(nc *nats.Conn, name string, log *slog.Logger) *Bucket {
	return &Bucket{nc: nc, name: name, log: log}
}

// Kind implements Source.
func (b *Bucket) Kind() string { return "nats" }

// Place implements Source.
func (b *Bucket) Place() string { return b.name }

// open returns a bucket, which is made where create is set.
func (b *Bucket) open(ctx context.Context, cfg jetstream.KeyValueConfig, create bool) (jetstream.KeyValue, error) {
	js, err := jetstream.New(b.nc)
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, cfg.Bucket)
	if !create || !errors.Is(err, jetstream.ErrBucketNotFound) {
		return kv, err
	}
	// Three replicas outlive a server. One server alone cannot have them.
	for _, cfg.Replicas = range []int{3, 1} {
		if kv, err = js.CreateKeyValue(ctx, cfg); err == nil || errors.Is(err, jetstream.ErrBucketExists) {
			break
		}
	}
	if errors.Is(err, jetstream.ErrBucketExists) { // another node was faster
		kv, err = js.KeyValue(ctx, cfg.Bucket)
	}
	return kv, err
}

func (b *Bucket) policies(ctx context.Context, create bool) (jetstream.KeyValue, error) {
	return b.open(ctx, jetstream.KeyValueConfig{
		Bucket: b.name, Description: "the throttle policy of feedd, and its history", History: versions, MaxValueSize: 4 * policy.MaxBytes,
	}, create)
}

func (b *Bucket) nodes(ctx context.Context, create bool) (jetstream.KeyValue, error) {
	return b.open(ctx, jetstream.KeyValueConfig{
		Bucket: b.name + "_nodes", Description: "nodes of feedd, and which policy they run", TTL: nodesLive, Storage: jetstream.MemoryStorage,
	}, create)
}

// Watch implements Source.
func (b *Bucket) Watch(ctx context.Context, to Listener) {
	for ctx.Err() == nil {
		wait := lookSoon
		err := b.follow(ctx, to)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, jetstream.ErrBucketNotFound):
			to.Empty()
		case err != nil:
			to.Lost(err)
		default:
			wait = 0 // the watch fell behind: begin another at once
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// follow tells of versions until that fails, or a look finds that the watch has missed something.
func (b *Bucket) follow(ctx context.Context, to Listener) error {
	asking, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	kv, err := b.policies(asking, false)
	if err != nil {
		return err
	}
	w, err := kv.Watch(ctx, policyKey)
	if err != nil {
		return err
	}
	defer func() { _ = w.Stop() }() // what it cannot end ends with the connection
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	var told jetstream.KeyValueEntry // nil: nothing, or that nothing is there
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("the watch of the bucket has ended")
			case e != nil && e.Operation() == jetstream.KeyValuePut:
				told = e
				to.Found(decode(e))
			case e != nil: // somebody has deleted it
				told = nil
				to.Empty()
			case told == nil: // the end of what there is, which is nothing
				to.Empty()
			}
		case <-look.C:
			missed, err := b.missed(ctx, kv, told)
			if err != nil || missed {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// missed reports whether the bucket has another version than the watch has told: nats.go has had watches that died in silence, and
// a bucket that lost its newest versions counts the next ones as those.
func (b *Bucket) missed(ctx context.Context, kv jetstream.KeyValue, told jetstream.KeyValueEntry) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	e, err := kv.Get(ctx, policyKey)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return told != nil, nil
	case err != nil:
		return false, err
	}
	return told == nil || e.Revision() != told.Revision() || !e.Created().Equal(told.Created()), nil
}

// decode reads an entry. One that somebody wrote by other means is a policy's text as it stands.
func decode(e jetstream.KeyValueEntry) (v policy.Version) {
	if err := json.Unmarshal(e.Value(), &v); err != nil || v.Text == "" {
		v = policy.Version{Kind: policy.Apply, Actor: "unknown", Reason: "written into the bucket by other means", Time: e.Created().UTC(), Text: string(e.Value())}
	}
	v.Revision = e.Revision()
	return v
}

// Put implements Source.
func (b *Bucket) Put(ctx context.Context, v policy.Version, expected uint64) (uint64, error) {
	v.Revision = 0 // it is the bucket's to give
	value, err := json.Marshal(&v)
	if err != nil {
		return 0, err
	}
	kv, err := b.policies(ctx, true)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", policy.ErrUnavailable, err)
	}
	revision, err := b.update(ctx, kv, value, expected)
	switch {
	case err == nil:
		return revision, nil
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch), errors.Is(err, jetstream.ErrKeyExists):
		conflict := &policy.ConflictError{Expected: expected}
		if now, err := kv.Get(ctx, policyKey); err == nil {
			conflict.Current = now.Revision()
		}
		return 0, conflict
	}
	return 0, fmt.Errorf("%w: %w", policy.ErrUnavailable, err)
}

// update writes in place of the expected revision, or of nothing: a bucket or a key that was lost begins anew.
func (b *Bucket) update(ctx context.Context, kv jetstream.KeyValue, value []byte, expected uint64) (uint64, error) {
	if _, err := kv.Get(ctx, policyKey); errors.Is(err, jetstream.ErrKeyNotFound) {
		return kv.Create(ctx, policyKey, value)
	}
	return kv.Update(ctx, policyKey, value, expected)
}

// History implements Source.
func (b *Bucket) History(ctx context.Context) (all []policy.Version, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	kv, err := b.policies(ctx, false)
	var entries []jetstream.KeyValueEntry
	if err == nil {
		entries, err = kv.History(ctx, policyKey)
	}
	switch {
	case errors.Is(err, jetstream.ErrBucketNotFound), errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: %w", policy.ErrUnavailable, err)
	}
	for _, e := range entries {
		if e.Operation() == jetstream.KeyValuePut {
			all = append(all, decode(e))
		}
	}
	return all, nil
}

var badInKey = regexp.MustCompile(`[^A-Za-z0-9_=-]+`)

// Report implements Source.
func (b *Bucket) Report(ctx context.Context, n policy.Node) error {
	if _, err := b.policies(ctx, false); err != nil {
		return err // to make a bucket in somebody's NATS is for whoever writes the first policy
	}
	kv, err := b.nodes(ctx, true)
	if err != nil {
		return err
	}
	value, err := json.Marshal(n)
	if err != nil {
		return err
	}
	_, err = kv.Put(ctx, badInKey.ReplaceAllString(n.Node, "_"), value)
	return err
}

// Nodes implements Source.
func (b *Bucket) Nodes(ctx context.Context) (all []policy.Node, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	kv, err := b.nodes(ctx, false)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok || e == nil { // the end of what there is
				return all, nil
			}
			var n policy.Node
			if json.Unmarshal(e.Value(), &n) == nil {
				all = append(all, n)
			}
		case <-ctx.Done():
			return all, ctx.Err()
		}
	}
}
