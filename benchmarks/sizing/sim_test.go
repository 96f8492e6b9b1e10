package sizing

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func costs(t interface {
	Helper()
	Fatal(...any)
}) *Costs {
	t.Helper()
	c, err := ReadCosts("../results")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func small(t *rapid.T) Setup {
	return Setup{
		Clients: rapid.IntRange(1, 3000).Draw(t, "clients"), Nodes: rapid.IntRange(2, 7).Draw(t, "nodes"),
		Cores: rapid.Float64Range(0.1, 4).Draw(t, "cores"), Memory: rapid.SampledFrom([]float64{0, 100e6, 1e9}).Draw(t, "memory"),
		Rate: rapid.SampledFrom([]int{0, 20, 200}).Draw(t, "rate"), Network: rapid.Float64Range(0, 0.5).Draw(t, "network"),
		Balancer: Balancer{OfTwo: rapid.Bool().Draw(t, "of two"), SlowStart: rapid.SampledFrom([]float64{0, 5}).Draw(t, "slow start"), Retry: rapid.Bool().Draw(t, "retry"), Notices: rapid.Float64Range(0.1, 10).Draw(t, "notices")},
		Classes:  Mix(), Market: Market{Instruments: 200, Ticks: 1000, Burst: 4}, Seed: rapid.Uint64().Draw(t, "seed"), Patience: 300,
	}
}

// Whatever happens, every client is in one place (run checks the books), comes back or is counted as away, and everything is
// told as numbers.
func TestNobodyIsLost(t *testing.T) {
	c := costs(t)
	rapid.Check(t, func(t *rapid.T) {
		u := small(t)
		var o *Outcome
		var err error
		switch rapid.IntRange(0, 3).Draw(t, "case") {
		case 0:
			o, err = KillNode(u, c)
		case 1:
			o, err = LoseZone(u, c)
		case 2:
			o, err = CutAll(u, c)
		case 3:
			o, err = Restart(u, Rolling{Within: 5, Peers: u.Nodes - 1, Start: 3, Pause: 5}, c)
		}
		if err != nil {
			t.Fatal(err)
		}
		if o.Hit < o.Out || o.Out > u.Clients || o.Hit > o.Attempts+u.Clients {
			t.Fatalf("%d cut off, %d still away, %d attempts", o.Hit, o.Out, o.Attempts)
		}
		if _, err := json.Marshal(o); err != nil {
			t.Fatal(err)
		}
		for i, share := range o.Series.Live {
			if share < 0 || share > 1 {
				t.Fatalf("%v of all clients are live in second %d", share, i)
			}
		}
	})
}

// However many knock, a node begins no more in any second than a burst and what its rate allows for that long.
func TestAdmissionKeepsToItsRate(t *testing.T) {
	c := costs(t)
	rapid.Check(t, func(t *rapid.T) {
		u := small(t)
		u.Rate = rapid.IntRange(1, 300).Draw(t, "rate")
		o, err := CutAll(u, c)
		if err != nil {
			t.Fatal(err)
		}
		begun, seconds := 0.0, 0.0
		for _, n := range o.Series.Handshakes {
			if n > 2*float64(u.Rate)+1 {
				t.Fatalf("%v handshakes in a second at %d/s", n, u.Rate)
			}
			if begun += n; n > 0 || begun > 0 {
				seconds++
			}
			if most := float64(u.Nodes) * float64(u.Rate) * (seconds + 1); begun > most+1 {
				t.Fatalf("%v handshakes within %v s at %d nodes of %d/s", begun, seconds, u.Nodes, u.Rate)
			}
		}
	})
}

func TestTheSameSeedTellsTheSameStory(t *testing.T) {
	c := costs(t)
	u := Setup{
		Clients: 5000, Nodes: 3, Cores: 1, Network: 0.1, Rate: 300, Balancer: Balancer{Notices: 4}, Classes: Mix(),
		Market: Market{Instruments: 200, Ticks: 1000, Burst: 4}, Seed: 7, Patience: 300,
	}
	var told [2]string
	for i := range told {
		o, err := LoseZone(u, c)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		told[i] = string(b)
	}
	if told[0] != told[1] {
		t.Error("two runs with one seed differ")
	}
}

// A client that hears nothing finds out between 16 s and 18.5 s, and is back within its first wait, the network and its join.
func TestSilenceIsNoticedInTime(t *testing.T) {
	c := costs(t)
	u := Setup{
		Clients: 3000, Nodes: 6, Cores: 8, Balancer: Balancer{Notices: 1}, Classes: Mix(), Market: Market{Instruments: 200, Ticks: 1000, Burst: 4}, Seed: 1, Patience: 300,
	}
	o, err := LoseZone(u, c)
	if err != nil {
		t.Fatal(err)
	}
	if o.Hit != 1000 || o.Out != 0 || o.P50 < silence || o.All > silence+betweenLooks+backoffBase+1 {
		t.Errorf("%d cut off, %d still away, back after %v to %v s", o.Hit, o.Out, o.P50, o.All)
	}
}

// A rolling restart that may take its time ends no connection without a word, and everybody comes back once for each node
// that they were on.
func TestRestartsRefuseNobodyWhereTheBalancerRetries(t *testing.T) {
	c := costs(t)
	u := Setup{
		Clients: 6000, Nodes: 4, Cores: 8, Balancer: Balancer{Retry: true, Notices: 2}, Classes: Mix(), Market: Market{Instruments: 200, Ticks: 1000, Burst: 4}, Seed: 1, Patience: 300,
	}
	o, err := Restart(u, Rolling{Within: 30, Peers: 3, Start: 5, Pause: 40}, c)
	if err != nil {
		t.Fatal(err)
	}
	if o.Out != 0 || o.Hit < u.Clients || len(o.Refusals) != 0 {
		t.Errorf("%d of %d cut off, %d still away, refusals %v", o.Hit, u.Clients, o.Out, o.Refusals)
	}
	if o.P50 < reconnectMin {
		t.Errorf("half were back within %v s, and were asked to wait for %v", o.P50, reconnectMin)
	}
}

// Nodes that never saw a crowd, of the fleet for a million, are replaced without a refusal, and their clients are back within seconds: what
// they are taken to accept is neither too much nor far too little.
func TestRestartsOfAFleetThatNeverSawACrowd(t *testing.T) {
	c := costs(t)
	f := SizeOf(200_000, Shape{16, 16 << 30}, Mix(), Day(), c)
	f.AdmissionRate = 0 // what the cores take is to be seen
	o, err := Restart(f.setup(Day()), Rolling{Within: 30, Peers: f.Nodes - 1, Start: 10, Pause: 20}, c)
	if err != nil {
		t.Fatal(err)
	}
	if o.Out != 0 || len(o.Refusals) != 0 || o.All > 20 || o.Level != "open" {
		t.Errorf("%d still away, refusals %v, the last back after %v s, level %s", o.Out, o.Refusals, o.All, o.Level)
	}
}

// Where a third of a fleet is gone that had no room for it, slower rows make room for all: nobody stays out, and nobody is sent away.
func TestAFleetWithoutRoomSlowsDownAndLetsEverybodyIn(t *testing.T) {
	c := costs(t)
	st := &Study{Market: Day(), Need: NeedOf(Mix(), Day(), c)}
	if err := st.noRoom(SizeOf(100_000, Shape{4, 8 << 30}, Mix(), Day(), c), c); err != nil {
		t.Fatal(err)
	}
	o := st.Cases[0]
	if o.Out != 0 || o.Shed != 0 || o.Level != "slowing" {
		t.Errorf("%d still away, %d shed, level %s", o.Out, o.Shed, o.Level)
	}
}

func TestTheModelIsNearToWhatWasMeasured(t *testing.T) {
	var st Study
	if err := st.validate(costs(t)); err != nil {
		t.Fatal(err)
	}
	if len(st.Validation) != 2 {
		t.Fatalf("%d cases", len(st.Validation))
	}
	for _, v := range st.Validation {
		if math.Abs(v.Off) > 0.2 {
			t.Errorf("%+v", v)
		}
	}
}
