package sizing

import (
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the fleet, a zone may go and what is left is no fuller than it may be.
func TestFleetsHaveRoomForALostZone(t *testing.T) {
	c := costs(t)
	rapid.Check(t, func(t *rapid.T) {
		shape := Shape{rapid.Float64Range(1, 64).Draw(t, "cores"), 16 << 30}
		f := SizeOf(rapid.IntRange(1, 1_000_000).Draw(t, "clients"), shape, Mix(), Market{Instruments: 50, Ticks: 500, Burst: 4}, c)
		if f.Nodes%zones != 0 || f.FullLostZone > fullest+1e-9 || f.Full > f.FullLostNode || f.FullLostNode > f.FullLostZone+1e-9 {
			t.Fatalf("%+v", f)
		}
	})
}

// A session holds as many instruments as it asks for, and no frame has more rows than that.
func TestRowsFollowFromTheMarket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Market{rapid.IntRange(2, 300).Draw(t, "instruments"), rapid.Float64Range(1, 1e6).Draw(t, "ticks"), rapid.Float64Range(1, 20).Draw(t, "burst")}
		k := rapid.IntRange(1, m.Instruments).Draw(t, "symbols")
		cadence := rapid.Float64Range(0.02, 5).Draw(t, "cadence")
		frames, rows := m.rows(k, cadence)
		if frames > 1/cadence+1e-9 || rows > float64(k)+1e-6 || rows < 1-1e-9 {
			t.Fatalf("%v frames/s of %v rows", frames, rows)
		}
		if _, slower := m.rows(k, 2*cadence); slower < rows-1e-6 {
			t.Fatalf("%v rows, and %v at half the cadence", rows, slower)
		}
		few, _ := m.Wanted(Mix()[:1], 1)
		many, ticks := m.Wanted(Mix()[:1], 1000)
		if few > many+1e-9 || many > 1+1e-9 || ticks < many-1e-9 || math.IsNaN(ticks) {
			t.Fatalf("%v of the instruments wanted by one session, %v by many, %v of the ticks", few, many, ticks)
		}
	})
}

func TestSharesOfTheCostAreAWhole(t *testing.T) {
	f := SizeOf(10_000, Shape{2, 4 << 30}, Mix(), Day(), costs(t))
	var cpu, egress, sessions float64
	for _, s := range f.Cost {
		cpu, egress, sessions = cpu+s.CPU, egress+s.Egress, sessions+s.Sessions
	}
	if math.Abs(cpu-1)+math.Abs(egress-1)+math.Abs(sessions-1) > 1e-6 {
		t.Errorf("shares add up to %v, %v and %v", cpu, egress, sessions)
	}
}

// Costs come from results; without them there is an error that says what to run.
func TestCostsNeedTheirResults(t *testing.T) {
	if _, err := ReadCosts(t.TempDir()); err == nil {
		t.Error("costs of nothing")
	}
	if _, err := derive(new(basis), nil); err == nil || !strings.Contains(err.Error(), "run benchmarks bench -only") {
		t.Errorf("error %v", err)
	}
}

// The document has the tables that its own figures make.
func TestEveryTableHasItsPlace(t *testing.T) {
	var st Study
	if _, err := st.Renew([]byte("nothing")); err == nil || !strings.Contains(err.Error(), "fleets") {
		t.Errorf("error %v", err)
	}
	if _, err := st.Renew([]byte("<!-- table tables -->\n<!-- end -->")); err == nil {
		t.Error("a table that does not exist was written")
	}
}

func TestTheDocumentIsFresh(t *testing.T) {
	doc, err := os.ReadFile("../../docs/sizing.md")
	if err != nil {
		t.Fatal(err)
	}
	st, err := ReadStudy("../results/sizing.json")
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := st.Renew(doc)
	if err != nil {
		t.Fatal(err)
	}
	if string(renewed) != string(doc) {
		t.Error("docs/sizing.md is stale: run go -C benchmarks run . sizing -doc ../docs/sizing.md")
	}
	if c := costs(t); len(c.Figures) != len(st.Basis) {
		t.Errorf("results/sizing.json rests on %d figures, the results give %d", len(st.Basis), len(c.Figures))
	} else {
		for i, f := range c.Figures {
			if f != st.Basis[i] {
				t.Errorf("results/sizing.json rests on %+v, the results say %+v", st.Basis[i], f)
			}
		}
	}
}
