package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/feedd/feedd/internal/drop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a keeper whose checkpoints take what the test says.
type bench struct {
	*Keeper
	drops  drop.Counters
	log    bytes.Buffer
	began  []time.Duration // since the start
	takes  time.Duration
	broken error
}

func newBench(t *testing.T, every time.Duration) *bench {
	b := &bench{}
	start := time.Now()
	b.Keeper = NewKeeper(Options{
		Dir: t.TempDir(), Every: every, Counters: &b.drops, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
		Prepare: func() error {
			b.began = append(b.began, time.Since(start))
			return b.broken
		},
		Fill: func(ctx context.Context, w *Writer) error {
			select {
			case <-time.After(b.takes):
				return w.Section(1, []byte("state"))
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	return b
}

// during runs the keeper for a while.
func (b *bench) during(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	time.Sleep(d)
	synctest.Wait()
	cancel()
	<-done
}

func TestPace(t *testing.T) {
	for _, c := range []struct {
		name         string
		every, takes time.Duration
		want         []time.Duration
	}{
		{"a quick one is begun on time", 5 * time.Second, 100 * time.Millisecond, []time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second}},
		{"a slow one takes a twentieth of the time", 5 * time.Second, time.Second, []time.Duration{5 * time.Second, 25 * time.Second, 45 * time.Second}},
		{"one that hangs", 5 * time.Second, time.Hour, []time.Duration{5 * time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, c.every)
				b.takes = c.takes
				b.during(t, c.want[len(c.want)-1]+c.takes/2)
				if len(b.began) != len(c.want) {
					t.Fatalf("begun at %v, want %v", b.began, c.want)
				}
				for i, at := range b.began {
					if at != c.want[i] {
						t.Errorf("begun at %v, want %v", b.began, c.want)
					}
				}
				if n := b.drops.Count(drop.UnsavedState); n != 0 || strings.Contains(b.log.String(), "WARN") {
					t.Errorf("%d unsaved, though it was only ended: %s", n, b.log.String())
				}
			})
		})
	}
}

// What cannot be written is told once for each reason, counted each time, and told again when it works.
func TestFailuresAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 5*time.Second)
		full, readOnly := errors.New("no space left on device"), errors.New("read-only file system")
		for _, err := range []error{nil, full, full, full, readOnly, readOnly, nil, nil, full} {
			b.broken = err
			b.Save(t.Context())
		}
		if n := b.drops.Count(drop.UnsavedState); n != 6 {
			t.Errorf("%d counted, want 6", n)
		}
		var got []string
		for line := range strings.Lines(b.log.String()) {
			for _, word := range []string{"no space", "read-only", "saved again"} {
				if strings.Contains(line, word) {
					got = append(got, word)
				}
			}
		}
		if want := "no space, read-only, saved again, no space"; strings.Join(got, ", ") != want {
			t.Errorf("told %v, want %s", got, want)
		}
	})
}

// A checkpoint that is given up for the last one is no loss; one for which there is no time is.
func TestTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 5*time.Second)
		b.takes = time.Minute
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		b.Save(canceled)
		if n := b.drops.Count(drop.UnsavedState); n != 0 || b.log.Len() > 0 {
			t.Errorf("%d counted, said: %s", n, b.log.String())
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b.Save(short)
		if n := b.drops.Count(drop.UnsavedState); n != 1 || !strings.Contains(b.log.String(), "deadline exceeded") {
			t.Errorf("%d counted, said: %s", n, b.log.String())
		}
	})
}

func TestStatsAreThoseOfTheLastGoodOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 5*time.Second)
		if st := b.Stats(); st != (Stats{}) {
			t.Errorf("ahead of the first: %+v", st)
		}
		b.takes = 300 * time.Millisecond
		at := time.Now()
		b.Save(t.Context())
		good := b.Stats()
		if !good.Last.Equal(at) || good.Took != b.takes || good.Bytes != int64(headerSize+headSize+5+crcSize+endSize) {
			t.Errorf("got %+v", good)
		}
		b.broken = errors.New("disk full")
		b.Save(t.Context())
		if st := b.Stats(); st != good {
			t.Errorf("behind a bad one: %+v, want %+v", st, good)
		}
		f, err := Open(Names(b.o.Dir)[0])
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Time() != at.UnixMicro() || f.Bytes() != good.Bytes {
			t.Errorf("a checkpoint of %d with %d bytes", f.Time(), f.Bytes())
		}
	})
}
