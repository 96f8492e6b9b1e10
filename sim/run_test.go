package sim

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
)

func silent() *complaints { return &complaints{log: slog.New(slog.DiscardHandler)} }

func TestPlayKeepsTimeAndGathersBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Instruments: 40, Rate: 2000, Seed: 1, Start: time.Now().UnixMicro()}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		events, waiting, flushes := 0, 0, 0
		w := newWitness(newMarket(t, cfg))
		err := play(ctx, newMarket(t, cfg), func(e *Event) error {
			w.see(t, e)
			if late := time.Duration(time.Now().UnixMicro()-e.Time) * time.Microsecond; late < 0 || late > slice {
				t.Fatalf("%v late", late)
			}
			events++
			waiting++
			return nil
		}, func() error {
			flushes++
			waiting = 0
			return nil
		}, silent())
		if err != nil || waiting != 0 {
			t.Fatalf("ended with %v and %d events unflushed", err, waiting)
		}
		if events < 4500 || flushes > int(3*time.Second/slice) {
			t.Errorf("%d events in %d flushes", events, flushes)
		}
	})
}

func TestPlayOfAQuietMarketDoesNotSkip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Instruments: 1, Rate: 1, Seed: 4, Start: time.Now().UnixMicro()}
		// Without a book, whose changes would fill the pauses.
		quiet := func() *Market {
			m := newMarket(t, cfg)
			m.heap[0].nextBook = never
			return m
		}
		var got, want []int64
		longest := int64(0)
		for e := range quiet().Next(cfg.Start + 60_000_000) {
			if len(want) > 0 {
				longest = max(longest, e.Time-want[len(want)-1])
			}
			want = append(want, e.Time)
		}
		if longest < maxLag.Microseconds() {
			t.Fatalf("the longest pause is %d µs: too short to prove anything", longest)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second+2*slice)
		defer cancel()
		if err := play(ctx, quiet(), func(e *Event) error {
			got = append(got, e.Time)
			return nil
		}, func() error { return nil }, silent()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("events at %v, want %v", got, want)
		}
	})
}

func TestPlayBehindASleepSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Instruments: 1, Rate: 1000, Seed: 1, Start: time.Now().Add(-time.Hour).UnixMicro()}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first, events := int64(0), 0
		if err := play(ctx, newMarket(t, cfg), func(e *Event) error {
			if events++; first == 0 {
				first = e.Time
			}
			return nil
		}, func() error { return nil }, silent()); err != nil {
			t.Fatal(err)
		}
		if since := time.Now().UnixMicro() - first; since > 1_100_000 || events > 5000 {
			t.Errorf("%d events, the first %d µs ago: an hour was caught up with", events, since)
		}
	})
}

func TestPlayFakeMovesAsEachSecondBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(400 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		var at []time.Duration
		var seconds []int64
		if err := playFake(ctx, func(second int64) error {
			at = append(at, time.Since(began))
			seconds = append(seconds, second-began.Unix())
			return nil
		}, silent()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(seconds, []int64{0, 1, 2, 3}) || !slices.Equal(at, []time.Duration{0, 600 * time.Millisecond, 1600 * time.Millisecond, 2600 * time.Millisecond}) {
			t.Errorf("seconds %v at %v", seconds, at)
		}
	})
}

func TestFailuresAreLoggedNowAndThen(t *testing.T) {
	var out bytes.Buffer
	c := &complaints{log: slog.New(slog.NewTextHandler(&out, nil))}
	now := time.Unix(1000, 0)
	for range 25 {
		now = now.Add(time.Second)
		if err := c.hear(now, errors.New("no room")); err != nil {
			t.Fatal(err)
		}
	}
	if lines := strings.Count(out.String(), "simulated ticks were lost"); lines != 3 || !strings.Contains(out.String(), `"flushes lost before"=9`) {
		t.Errorf("log\n%s", out.String())
	}
	if err := c.hear(now, nats.ErrConnectionClosed); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("a closed connection gives %v", err)
	}
}
