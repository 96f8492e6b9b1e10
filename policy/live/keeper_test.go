package live_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/feedd/feedd/policy"
	"github.com/feedd/feedd/policy/live"
	"github.com/feedd/feedd/throttle"
)

// memory is a source without a network. Nodes that share one are a cluster.
type memory struct {
	mu        sync.Mutex
	versions  []policy.Version
	listeners []live.Listener
	away      bool
}

func (m *memory) Kind() string  { return "nats" }
func (m *memory) Place() string { return "memory" }

func (m *memory) Watch(ctx context.Context, to live.Listener) {
	m.mu.Lock()
	m.listeners = append(m.listeners, to)
	n := len(m.versions)
	m.mu.Unlock()
	if n == 0 {
		to.Empty()
	} else {
		to.Found(m.versions[n-1])
	}
	<-ctx.Done()
}

func (m *memory) Put(_ context.Context, v policy.Version, expected uint64) (uint64, error) {
	m.mu.Lock()
	now := uint64(len(m.versions))
	switch {
	case m.away:
		m.mu.Unlock()
		return 0, policy.ErrUnavailable
	case now != expected:
		m.mu.Unlock()
		return 0, &policy.ConflictError{Expected: expected, Current: now}
	}
	v.Revision = now + 1
	m.versions = append(m.versions, v)
	listeners := slices.Clone(m.listeners)
	m.mu.Unlock()
	for _, l := range listeners {
		l.Found(v)
	}
	return v.Revision, nil
}

func (m *memory) History(context.Context) ([]policy.Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.versions), nil
}

func (m *memory) Report(context.Context, policy.Node) error    { return nil }
func (m *memory) Nodes(context.Context) ([]policy.Node, error) { return nil, nil }
func (m *memory) setAway(away bool)                            { m.mu.Lock(); m.away = away; m.mu.Unlock() }
func temporary(w policy.Write, d time.Duration) policy.Write   { w.For = d; return w }
func (m *memory) newest() policy.Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.versions[len(m.versions)-1]
}

func TestATemporaryChangeEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(memory)
		a, b := start(t, "a", "", source), start(t, "b", "", source)
		defer b.stop()
		defer a.stop()
		must(t, a.Apply(t.Context(), fastest("100ms"), by("maria", 0)))
		must(t, a.Apply(t.Context(), fastest("2s"), temporary(by("maria", 1), 15*time.Minute)))
		if b.fastest() != throttle.Every2s {
			t.Fatalf("running %v", b.fastest())
		}
		// A stop in the meantime outlives it.
		must(t, b.Stop(t.Context(), &policy.Stop{Name: "halt", Symbols: []string{"nyse:*"}}, by("bob", 0)))
		time.Sleep(15*time.Minute - time.Second)
		if a.fastest() != throttle.Every2s || a.Status().Version.Expires.IsZero() {
			t.Errorf("ahead of the end: running %v, %+v", a.fastest(), a.Status().Version)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, n := range []*node{a, b} {
			tier, v := n.InForce().Policy().Tier(""), n.Status().Version
			if tier.Fastest != throttle.Every100ms || len(tier.Stops) != 1 || v.Kind != policy.Expiry || v.Of != 1 {
				t.Errorf("after the end: %v, %d stops, %+v", tier.Fastest, len(tier.Stops), v)
			}
		}
		if n := len(source.versions); n != 4 {
			t.Errorf("%d versions, want 4: the end is written down once", n)
		}
	})
}

// A temporary change over another one comes back to what was ahead of both.
func TestATemporaryChangeOverAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(memory)
		a := start(t, "a", "", source)
		defer a.stop()
		must(t, a.Apply(t.Context(), fastest("100ms"), by("maria", 0)))
		must(t, a.Apply(t.Context(), fastest("1s"), temporary(by("maria", 1), time.Minute)))
		must(t, a.Apply(t.Context(), fastest("2s"), temporary(by("maria", 2), time.Hour)))
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if a.fastest() != throttle.Every100ms || a.Status().Version.Of != 1 {
			t.Errorf("running %v, %+v", a.fastest(), a.Status().Version)
		}
	})
}

func TestATemporaryChangeEndsWithoutItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, dir := new(memory), t.TempDir()
		a := start(t, "a", dir, source)
		must(t, a.Apply(t.Context(), fastest("100ms"), by("maria", 0)))
		must(t, a.Apply(t.Context(), fastest("2s"), temporary(by("maria", 1), time.Minute)))
		source.setAway(true)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if a.fastest() != throttle.Every100ms || a.Status().Version.Kind != policy.Expiry {
			t.Errorf("running %v, %+v", a.fastest(), a.Status().Version)
		}
		in := a.InForce().Policy()
		time.Sleep(time.Minute)
		synctest.Wait()
		if a.InForce().Policy() != in {
			t.Error("sessions are bothered by each try to write it down")
		}
		a.stop()
		// Nor does it come to life with a restart.
		b := start(t, "b", dir, nil)
		defer b.stop()
		if b.fastest() != throttle.Every100ms {
			t.Errorf("after a restart: running %v", b.fastest())
		}
		c := start(t, "c", dir, source)
		defer c.stop()
		source.setAway(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if v := source.newest(); v.Kind != policy.Expiry || v.Revision != 3 {
			t.Errorf("written down: %+v", v)
		}
	})
}

func TestAStopEndsAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, "a", "", new(memory))
		defer a.stop()
		until := policy.Time{Time: time.Now().Add(10 * time.Minute)}
		must(t, a.Stop(t.Context(), &policy.Stop{Name: "halt", Symbols: []string{"*"}, Until: &until}, by("bob", 0)))
		if len(a.InForce().Policy().Tier("").Stops) != 1 {
			t.Fatal("not stopped")
		}
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if len(a.InForce().Policy().Tier("").Stops) != 0 {
			t.Error("stopped for ever")
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	next := path + ".next"
	must(t, os.WriteFile(next, []byte(text), 0o600))
	must(t, os.Rename(next, path))
}

func TestAFileIsFollowed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	write(t, path, fastest("1s"))
	file := live.NewFile(path, dir)
	a := start(t, "a", dir, file)
	if s := a.Status(); a.fastest() != throttle.Every1s || s.Version.Revision != 1 || s.Source != "file" || s.Place != path || s.Writable || s.Stale {
		t.Errorf("at first: %v, %+v", a.fastest(), s)
	}
	write(t, path, fastest("2s")) // and nobody says so
	eventually(t, "the second policy", func() bool { return a.fastest() == throttle.Every2s })

	write(t, path, "tiers:\n  default: {fastest: 0ms}\n")
	file.Reload()
	eventually(t, "the refusal", func() bool { return a.Status().Refused != nil })
	if s := a.Status(); a.fastest() != throttle.Every2s || s.Refused.Problems[0].Line != 2 {
		t.Errorf("running %v, refused %+v", a.fastest(), s.Refused)
	}
	must(t, os.Remove(path))
	file.Reload()
	eventually(t, "the loss", func() bool { return a.Status().Stale })
	write(t, path, fastest("5s"))
	file.Reload()
	eventually(t, "the third policy", func() bool { s := a.Status(); return a.fastest() == throttle.Every5s && !s.Stale && s.Refused == nil })
	if err := a.Apply(t.Context(), fastest("1s"), by("maria", a.Status().Newest)); !errors.Is(err, policy.ErrReadOnly) {
		t.Errorf("a write: %v", err)
	}
	revision := a.Status().Version.Revision
	a.stop()

	// The revision goes on after a restart, and the same text keeps its own.
	b := start(t, "a", dir, live.NewFile(path, dir))
	if got := b.Status().Version.Revision; got != revision {
		t.Errorf("revision %d after a restart, want %d", got, revision)
	}
	b.stop()
	// A bad file at the start is no reason to give everybody everything.
	write(t, path, "nonsense")
	c := start(t, "a", dir, live.NewFile(path, dir))
	if s := c.Status(); c.fastest() != throttle.Every5s || s.Refused == nil {
		t.Errorf("with a bad file: %v, %+v", c.fastest(), s)
	}
}

func TestADamagedCopyIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "last-good.json"), []byte("{half"), 0o600))
	k := live.New(live.Options{Dir: dir, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if s := k.Status(); s.Version.Kind != policy.BuiltIn {
		t.Errorf("%+v", s)
	}
	if err := k.Apply(t.Context(), fastest("1s"), by("maria", 0)); !errors.Is(err, policy.ErrUnavailable) {
		t.Errorf("a write without a source: %v", err)
	}
}

// A source that lost its newest versions does not bring back what was in force before them; what is written then counts.
func TestASourceThatGoesBack(t *testing.T) {
	dir, clock := t.TempDir(), time.Now()
	m := &memory{}
	k := live.New(live.Options{Source: m, Dir: dir, Clock: func() time.Time { return clock }, Log: slog.New(slog.DiscardHandler)})
	put := func(revision uint64, text string) policy.Version {
		clock = clock.Add(time.Second)
		v := policy.Version{Revision: revision, Kind: policy.Apply, Time: clock, Text: text}
		k.Found(v)
		return v
	}
	first := put(1, fastest("1s"))
	put(2, fastest("2s"))
	k.Found(first)
	s := k.Status()
	if s.Version.Revision != 2 || s.Refused == nil || s.Refused.Revision != 1 || s.Newest != 1 {
		t.Errorf("with an older revision: %+v", s)
	}
	k.Empty()
	if s := k.Status(); s.Version.Revision != 2 || !s.Stale {
		t.Errorf("with an empty source: %+v", s)
	}
	put(2, fastest("5s"))
	if s := k.Status(); s.Version.Text != fastest("5s") || s.Refused != nil || s.Stale {
		t.Errorf("with what was written since: %+v", s)
	}
	put(1, fastest("250ms"))
	if s := k.Status(); s.Version.Revision != 1 || s.Version.Text != fastest("250ms") {
		t.Errorf("with a source that begins anew: %+v", s)
	}
}
