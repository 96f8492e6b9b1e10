package main

import (
	"math"
	"slices"
	"testing"

	"github.com/feedd/feedd/benchmarks/sizing"
)

// sizingQuotes are the figures of the study that stand in sentences; the tables are held by a test of their own.
func sizingQuotes(t *testing.T, n string) []quote {
	t.Helper()
	st, err := sizing.ReadStudy("results/sizing.json")
	if err != nil {
		t.Fatal(err)
	}
	basis := func(name string) float64 {
		t.Helper()
		i := slices.IndexFunc(st.Basis, func(f sizing.Figure) bool { return f.Name == name })
		if i < 0 {
			t.Fatalf("sizing.json rests on no figure %q", name)
		}
		return st.Basis[i].Value
	}
	of := func(clients int, name string) *sizing.Outcome {
		t.Helper()
		o := st.Case(clients, name)
		if o == nil {
			t.Fatalf("sizing.json has no case %q of %d clients", name, clients)
		}
		return o
	}
	last := func(name string) (longest float64) {
		for _, f := range st.Fleets[:3] {
			longest = max(longest, of(f.Clients, name).All)
		}
		return longest
	}
	refused := func(o *sizing.Outcome) (all float64) {
		for _, n := range o.Refusals {
			all += float64(n)
		}
		return all
	}
	hundreds := func(v float64) float64 { return 100 * math.Round(v/100) }
	const million = 1_000_000
	whole, tight := st.Fleets[2], st.Cases[len(st.Cases)-1]
	fewest, alone := of(million, "a rolling restart, always to the fewest connections"), of(million, "a rolling restart, drain.peers left at 1")
	rolling := of(million, "a rolling restart")
	curve := stored(t, "basis")
	lowest, highest := math.Inf(1), 0.0
	for _, at := range []string{"0", "1", "2", "3"} {
		v := curve("results", "curve-ticks", "curve", "points", at, "server_cpu_us_per_frame")
		lowest, highest = min(lowest, v), max(highest, v)
	}
	const garbage = 1.15 // of what lives
	joins := 50 * math.Round(1/st.Need.Join/50)
	const doc = "../docs/sizing.md"
	return []quote{
		{doc, `\*\*a core for each ` + n + `, in three zones\*\*, and ` + n + ` KB of memory`, []float64{1000 * math.Round(million/(float64(whole.Nodes)*whole.Shape.Cores)/1000), (st.Need.Memory*garbage + st.Need.Kernel) / 1000}},
		{doc, `\*\*` + n + ` µs a frame and ` + n + ` µs for each row`, []float64{1e6 * basis("CPU of a frame before its rows"), 1e6 * basis("CPU of a row more in a frame")}},
		{doc, `All cadences twice as slow save ` + n + ` %`, []float64{100 * (1 - whole.Cadence)}},
		{doc, `A core carries some ` + n + ` sessions`, []float64{hundreds(1 / st.Need.CPU)}},
		{doc, `Egress follows rows: ` + n + ` bytes a row of a quote, ` + n + ` a frame`, []float64{basis("bytes of a row"), basis("bytes of a frame before its rows")}},
		{doc, `lie up to ` + n + ` % apart`, []float64{100 * (highest/lowest - 1)}},
		{doc, `its clients are back ` + n + ` s later at most`, []float64{last("a node is killed")}},
		{doc, `away for 2 to 3 s mostly, and ` + n + ` s at most`, []float64{last("a rolling restart")}},
		{doc, `all clients are back after ` + n + ` s`, []float64{last("a zone falls silent")}},
		{doc, `a node without sessions takes ` + n + ` MB`, []float64{basis("memory of a node without sessions, 200 instruments") / 1e6}},
		{doc, `an instrument takes ` + n + ` KB, once more for each\s+\[delay\]\(\S+\); a session ` + n + ` KB`, []float64{basis("memory of an instrument") / 1000, st.Need.Memory / 1000}},
		{doc, `handshakes there first, ` + n + ` ms of a core each`, []float64{1000 * basis("CPU of a TLS 1.3 handshake, ECDSA P-256, where TLS ends")}},
		{doc, `could have taken within ` + n + ` s takes ` + n + ` s`, []float64{of(million, "every connection is cut at once, no admission rate").All, of(million, "every connection is cut at once").All}},
		{doc, `all are back within ` + n + ` s, with slow rows`, []float64{tight.All}},
		{doc, `fifth of the ` + n + ` joins`, []float64{joins}},
		{doc, `window of a million clients ` + n + ` s`, []float64{whole.Sessions / (0.5 * 200 * float64(whole.Nodes-1))}},
		{doc, `half of them are away for ` + n + ` s and the last for ` + n + ` s`, []float64{rolling.P50, rolling.All}},
		{doc, n + ` handshakes in a second to one of a million's nodes, ` + n + ` refusals, and the last client back after ` + n + ` s`, []float64{
			hundreds(fewest.Handshakes), 10_000 * math.Round(refused(fewest)/10_000), fewest.All,
		}},
		{doc, `half of a million clients are away for ` + n + ` s`, []float64{alone.P50}},
		{"../internal/overload/window.go", `in\s+// some ` + n + ` clients of eighty instruments`, []float64{joins}},
	}
}
