package live

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/feedd/feedd/policy"
)

// Status is how the node stands to its source.
func (k *Keeper) Status() policy.Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := policy.Status{Version: k.version, Newest: k.newest(), Source: string(policy.BuiltIn), Stale: k.stale, Refused: k.refused}
	if k.lapsed {
		s.Version.Kind, s.Version.Text, s.Version.Of = policy.Expiry, k.version.Before, k.version.BeforeFrom
	}
	if src := k.options.Source; src != nil {
		s.Source, s.Place = src.Kind(), src.Place()
		s.Writable = s.Source != string(policy.File)
	}
	return s
}

// newest is the revision of the newest version that the source is known to have. mu is held.
func (k *Keeper) newest() uint64 {
	if k.refused != nil {
		return k.refused.Revision
	}
	return k.version.Revision
}

// History returns the versions that are kept, newest first.
func (k *Keeper) History(ctx context.Context) ([]policy.Version, error) {
	if k.options.Source == nil {
		return []policy.Version{k.Status().Version}, nil
	}
	versions, err := k.options.Source.History(ctx)
	if err == nil && len(versions) == 0 {
		versions = []policy.Version{k.Status().Version}
	}
	slices.Reverse(versions)
	return versions, err
}

// Nodes returns the nodes that were heard of in the last minute; this one is always among them.
func (k *Keeper) Nodes(ctx context.Context) (nodes []policy.Node, err error) {
	self := k.self()
	if k.options.Source != nil {
		nodes, err = k.options.Source.Nodes(ctx)
	}
	nodes = slices.DeleteFunc(nodes, func(n policy.Node) bool { return n.Node == self.Node })
	return append([]policy.Node{self}, nodes...), err
}

// Apply puts a text in force, in place of the revision that w expects, for good or for a time. It fails with
// policy.Problems, or as Source.Put does.
func (k *Keeper) Apply(ctx context.Context, text string, w policy.Write) error {
	if _, err := policy.Parse([]byte(text)); err != nil {
		return err
	}
	return k.put(ctx, policy.Version{Kind: policy.Apply, Text: text}, w)
}

// Rollback puts an earlier revision's text in force again.
func (k *Keeper) Rollback(ctx context.Context, to uint64, w policy.Write) error {
	old, err := k.Version(ctx, to)
	if err != nil {
		return err
	}
	if _, err := policy.Parse([]byte(old.Text)); err != nil {
		return err
	}
	return k.put(ctx, policy.Version{Kind: policy.Rollback, Of: to, Text: old.Text}, w)
}

// Version returns one that is kept, or policy.ErrNotFound.
func (k *Keeper) Version(ctx context.Context, revision uint64) (policy.Version, error) {
	if now := k.Status().Version; now.Revision == revision {
		return now, nil
	}
	versions, err := k.History(ctx)
	if err != nil {
		return policy.Version{}, err
	}
	i := slices.IndexFunc(versions, func(v policy.Version) bool { return v.Revision == revision })
	if i < 0 {
		return policy.Version{}, fmt.Errorf("revision %d: %w", revision, policy.ErrNotFound)
	}
	return versions[i], nil
}

// Stop adds a kill switch to whatever is in force, and to what comes back after a temporary change.
func (k *Keeper) Stop(ctx context.Context, s *policy.Stop, w policy.Write) error {
	return k.edit(ctx, policy.Halt, w, func(text string) (string, error) { return policy.WithStop(text, s) })
}

// Release takes one away again.
func (k *Keeper) Release(ctx context.Context, name string, w policy.Write) error {
	return k.edit(ctx, policy.Release, w, func(text string) (string, error) { return policy.WithoutStop(text, name) })
}

// triesToEdit bounds how often an edit is made anew because others were faster.
const triesToEdit = 100

// edit makes a change that fits whatever others have written meanwhile. The newest version is the source's, not the one that this
// node has heard of.
func (k *Keeper) edit(ctx context.Context, kind policy.Kind, w policy.Write, change func(string) (string, error)) error {
	for range triesToEdit {
		status := k.Status()
		now := status.Version
		v := policy.Version{Kind: kind}
		var err error
		if v.Text, err = change(now.Text); err != nil {
			return err
		}
		if !now.Expires.IsZero() && now.Kind != policy.Expiry {
			v.Expires, v.BeforeFrom = now.Expires, now.BeforeFrom
			if v.Before, err = change(now.Before); errors.Is(err, policy.ErrNotFound) {
				v.Before, err = now.Before, nil
			}
			if err != nil {
				return err
			}
		}
		w.Expected = status.Newest
		err = k.put(ctx, v, w)
		var conflict *policy.ConflictError
		if !errors.As(err, &conflict) {
			return err
		}
		// Others were faster: wait to hear of what they wrote.
		k.await(ctx, func() bool { return k.newest() != status.Newest })
		if ctx.Err() != nil {
			return fmt.Errorf("others keep writing: %w", ctx.Err())
		}
	}
	return errors.New("others keep writing")
}

// put writes a version and waits until this node has it.
func (k *Keeper) put(ctx context.Context, v policy.Version, w policy.Write) error {
	src := k.options.Source
	if src == nil {
		return policy.ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	v.Actor, v.Reason, v.Time = w.Actor, w.Reason, k.options.Clock().UTC()
	if w.For > 0 {
		now := k.Status().Version
		v.Expires, v.Before, v.BeforeFrom = v.Time.Add(w.For), now.Text, now.Revision
		if !now.Expires.IsZero() && now.Kind != policy.Expiry { // what was in force ahead of both
			v.Before, v.BeforeFrom = now.Before, now.BeforeFrom
		}
	}
	revision, err := src.Put(ctx, v, w.Expected)
	if err != nil {
		return err
	}
	if !k.await(ctx, func() bool { return k.newest() >= revision }) {
		k.options.Log.Warn("a policy was written, and this node has not heard of it yet")
	}
	return nil
}
