package ws

import (
	"testing"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/ws/wstest"
)

func TestPulse(t *testing.T) {
	const s = int64(time.Second / time.Microsecond)
	const interval, wait = 25 * time.Second, 8 * time.Second
	type step struct {
		now, heard int64 // in seconds
		blocked    bool
		want       act
	}
	for _, c := range []struct {
		name  string
		steps []step // the first ping is due at 20
	}{
		{"a client that answers", []step{{19, 0, false, rest}, {20, 0, false, ping}, {21, 20, false, rest},
			{22, 21, false, rest}, {44, 21, false, rest}, {45, 21, false, ping}}},
		{"a client that does not", []step{{20, 19, false, ping}, {27, 19, false, rest}, {28, 19, false, giveUp}}},
		{"any bytes are a sign of life", []step{{20, 0, false, ping}, {28, 27, false, rest}, {45, 44, false, ping}}},
		{"a ping is not sent behind data", []step{{20, 0, true, rest}, {30, 0, true, rest}, {31, 0, false, ping}}},
		{"a ping that waits behind data has time", []step{{20, 0, false, ping}, {28, 0, true, rest}, {60, 0, true, rest},
			{67, 0, false, rest}, {68, 0, false, giveUp}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pulse{next: 20 * s}
			for _, st := range c.steps {
				got := p.check(st.now*s, st.heard*s, st.blocked, wait)
				if got != st.want {
					t.Fatalf("at %d s: %d, want %d", st.now, got, st.want)
				}
				if got == ping {
					p.sent(st.now*s, interval, wait)
				}
			}
		})
	}
}

func TestFirstPingsAreSpread(t *testing.T) {
	const interval = 25 * time.Second
	var sum int64
	for range 1000 {
		var p pulse
		p.first(0, interval)
		if p.next < interval.Microseconds()/2 || p.next > interval.Microseconds() {
			t.Fatalf("first ping after %d µs", p.next)
		}
		sum += p.next
	}
	if mean := float64(sum) / 1000 / float64(interval.Microseconds()); mean < 0.7 || mean > 0.8 {
		t.Errorf("first pings come after %.2f of an interval on average", mean)
	}
}

func TestOnlySilentClientsAreGivenUp(t *testing.T) {
	r := newRig(t, Options{PingInterval: 4 * time.Millisecond, PongWait: 200 * time.Millisecond})
	// A header, and then nothing, is silence too.
	silent := wstest.Dial(t, r.addr, wstest.Request{Behind: []byte{frameText, 0xfe, 0x40, 0x00, 1, 2, 3, 4}})
	alive := wstest.Dial(t, r.addr, wstest.Request{})
	ended := make(chan struct{})
	go func() { // answers pings until the silent one is gone
		defer close(ended)
		for {
			f, err := alive.Next()
			if err != nil {
				t.Errorf("the client that answers: %v", err)
				return
			}
			if f.First != framePing {
				return
			}
			alive.Write(wstest.Encode(framePong, f.Payload))
		}
	}()
	if code, _ := silent.ReadClose(); code != conns.CodeNoPong {
		t.Fatalf("close %d", code)
	}
	alive.Text("still here")
	<-ended
	if r.drops.Count(drop.PongTimeout) != 1 {
		t.Error("the silence is not counted")
	}
}
