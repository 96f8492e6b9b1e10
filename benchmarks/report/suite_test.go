package report

import (
	"strings"
	"testing"

	"github.com/feedd/feedd/benchmarks/probe"
)

func TestBudgetsFollowFromResults(t *testing.T) {
	s := &Suite{
		Failures: map[string]string{"storm": "the server ended"},
		Results: map[string]*Result{
			"fanout":  {Fanout: &Fanout{Served: Served{RatioToFloor: 1.3, ResidentPerSession: 9000}}, Verdict: Correct, Command: "benchmarks -scenario fanout"},
			"latency": {Latency: Compare(twice(probe.Percentiles{P50: 30, P99: 90}), []probe.Percentiles{{P50: 20, P99: 50}})},
			"peers": {Versus: map[string]Versus{
				"centrifuge every": {CPUPerUpdate: 5}, "centrifuge latest": {CPUPerUpdate: 14, ToFloor: 17}, "centrifuge latest-batched": {CPUPerUpdate: 11},
			}},
			"peers-100":   {Versus: map[string]Versus{"centrifuge latest": {CPUPerUpdate: 35}}},
			"curve-ticks": {Curve: &Curve{Points: []Point{{1, Served{CPUPerFrame: 10}}, {8, Served{CPUPerFrame: 10.4}}, {32, Served{CPUPerFrame: 20}}}}},
		},
	}
	s.Judge()
	held := make(map[string]bool)
	for _, b := range s.Budgets {
		held[b.Step+" "+b.Limit] = b.Held
	}
	for name, want := range map[string]bool{
		"fanout ≤ 1.25": false, "fanout ≤ 10": true, "latency ≤ 1.5": false, "peers ≥ 10": true, "peers-100 ≥ 40": false, "curve-ticks ≤ 5": true,
	} {
		if got, ok := held[name]; !ok || got != want {
			t.Errorf("%s: held %v, there %v, want %v", name, got, ok, want)
		}
	}
	for i, want := range map[int]string{
		0: "CPU per frame to the floor's; 5,000 sessions, 20 of 200 instruments, 250 ms: 1.300, wanted ≤ 1.25: NOT held",
		2: "CPU per update of centrifuge, conflating, to feedd's; 20 a session: 14 (the floor's frames: 17), wanted ≥ 10: held",
	} {
		if got := s.Budgets[i].String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var b strings.Builder
	if err := s.Markdown(&b, []string{"fanout", "storm"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 1.300 | **no** | `fanout` |", "`storm` | failed: the server ended", "`benchmarks -scenario fanout`", "| 14 (the floor's frames: 17) | yes | `peers` |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

func TestRatiosOfRounds(t *testing.T) {
	all := map[string]Served{"feedd": {CPUPerUpdate: 0.5, RowsPerFrame: 20, FloorPerFrame: 8}, "centrifuge latest": {CPUPerUpdate: 8}}
	rounds := map[string][]float64{"feedd": {0.4, 0.6, 0.5}, "centrifuge latest": {8, 9, 7}}
	if v := Against(all, rounds)["centrifuge latest"]; v.CPUPerUpdate != 16 || v.Least != 14 || v.Most != 20 || v.ToFloor != 20 {
		t.Errorf("%g, in rounds %g to %g, to the floor %g; want 16, 14 to 20, 20", v.CPUPerUpdate, v.Least, v.Most, v.ToFloor)
	}
}
