package throttle_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/throttle"
)

// patient is an easing and its clock, a second a look.
type patient struct {
	throttle.Easing
	a   throttle.Adaptive
	now int64
}

func (p *patient) look(o throttle.Observation, seconds int) (story string) {
	for range seconds {
		p.now += 1_000_000
		if p.Observe(p.now, &p.a, &o) {
			story += " " + p.Floor.String()
		}
	}
	return strings.TrimSpace(story)
}

// step is seconds of the same, and the moves that they bring.
type step struct {
	o       throttle.Observation
	seconds int
	want    string
}

func TestEasing(t *testing.T) {
	fast := throttle.Every100ms
	well := throttle.Observation{Fastest: fast}
	stuck := throttle.Observation{Blocked: 0.6, Fastest: fast}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"a moment is no reason", []step{{stuck, 3, ""}, {well, 60, ""}, {stuck, 2, ""}}},
		{"down in steps, and up again", []step{{stuck, 7, "250ms 500ms"}, {well, 10, ""}, {well, 1, "250ms"}, {well, 10, "immediate"}, {well, 60, ""}}},
		{"no slower than the ladder", []step{{stuck, 60, "250ms 500ms 1s 2s 5s"}}},
		{"between trouble and calm nothing moves", []step{{stuck, 4, "250ms"}, {throttle.Observation{Blocked: 0.15, Fastest: fast}, 300, ""}}},
		{"who fails is left in peace for longer", []step{{stuck, 4, "250ms"}, {well, 11, "immediate"}, {stuck, 4, "250ms"}, {well, 20, ""}, {well, 1, "immediate"}, {stuck, 4, "250ms"}, {well, 40, ""}, {well, 1, "immediate"}}},
		{"a client that lags", []step{{throttle.Observation{Lag: 300 * time.Millisecond, Fastest: fast}, 4, "250ms"}, {throttle.Observation{Lag: 150 * time.Millisecond, Fastest: fast}, 60, ""}}},
		{"a ceiling, which is not reached any more", []step{{throttle.Observation{Short: true, Slow: true, Fastest: fast}, 4, "250ms"}, {throttle.Observation{Short: true, Fastest: fast}, 60, ""}, {well, 11, "immediate"}}},
		{"a ceiling that is only just reached", []step{{throttle.Observation{Short: true, Fastest: fast}, 60, ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &patient{a: throttle.DefaultAdaptive()}
			for n, s := range c.steps {
				if got := p.look(s.o, s.seconds); got != s.want {
					t.Fatalf("step %d: moved to %q, want %q", n, got, s.want)
				}
			}
		})
	}
}

func TestEasingTellsWhy(t *testing.T) {
	for want, o := range map[throttle.Reason]throttle.Observation{
		throttle.ReasonCongestion: {Blocked: 1, Lag: time.Second, Slow: true}, throttle.ReasonLag: {Lag: time.Second, Slow: true}, throttle.ReasonBandwidth: {Slow: true, Short: true},
	} {
		p := &patient{a: throttle.DefaultAdaptive()}
		if p.look(o, 4); p.Reason != want || p.Floor != throttle.Every20ms {
			t.Errorf("%+v: floor %v for reason %d, want %d", o, p.Floor, p.Reason, want)
		}
		if p.a.Off = true; p.look(o, 1) != "immediate" || p.Reason != 0 {
			t.Errorf("%+v: floor %v once it is off", o, p.Floor)
		}
	}
}

// Whatever is observed, the floor moves a rung at a time and not sooner than it may, has a reason while it is there, and is gone
// after a long calm.
func TestEasingKeepsItsPace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &patient{a: throttle.DefaultAdaptive()}
		fastest := throttle.Cadence(rapid.IntRange(0, int(throttle.Cadences)-1).Draw(t, "fastest"))
		floor, at := throttle.Immediate, int64(-1<<40)
		for range rapid.IntRange(1, 300).Draw(t, "seconds") {
			o := throttle.Observation{
				Blocked: rapid.SampledFrom([]float64{0, 0.04, 0.1, 0.3, 1}).Draw(t, "blocked"), Short: rapid.Bool().Draw(t, "short"),
				Lag: rapid.SampledFrom([]time.Duration{0, 50e6, 150e6, 400e6}).Draw(t, "lag"), Fastest: fastest,
			}
			o.Slow = o.Short && rapid.Bool().Draw(t, "slow")
			moved := p.look(o, 1) != ""
			switch {
			case moved == (p.Floor == floor):
				t.Fatalf("moved %v, from %v to %v", moved, floor, p.Floor)
			case p.Floor >= throttle.Cadences || (p.Floor != throttle.Immediate) != (p.Reason != 0):
				t.Fatalf("floor %v for reason %d", p.Floor, p.Reason)
			case moved && p.Floor > floor && (p.Floor != max(floor, fastest)+1 || p.now-at < p.a.Down.Microseconds()):
				t.Fatalf("down from %v to %v after %d µs", floor, p.Floor, p.now-at)
			case moved && p.Floor < floor && p.now-at < p.a.Up.Microseconds():
				t.Fatalf("up from %v to %v after %d µs", floor, p.Floor, p.now-at)
			}
			if moved {
				floor, at = p.Floor, p.now
			}
		}
		p.look(throttle.Observation{Fastest: fastest}, 10*16*10)
		if p.Floor != throttle.Immediate {
			t.Fatalf("slowed down to %v after a long calm", p.Floor)
		}
	})
}
