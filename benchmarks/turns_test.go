package main

import (
	"testing"

	"github.com/feedd/feedd/benchmarks/report"
)

// took is a turn in which a server used so much of a core.
func took(cores float64) *loaded {
	return &loaded{windows: []report.Window{{Kind: report.Server, Seconds: 2, User: 2 * cores}}}
}

// A round is dropped for what all its turns cost, of which a small one counts as much as a large one, and a turn of somebody who is not
// asked about for nothing.
func TestTheQuieterHalfOfRoundsIsKept(t *testing.T) {
	rounds := []round[string]{
		{"large": took(0.6), "small": took(0.06)},
		{"large": took(0.5), "small": took(0.04), "other": took(0.9)},
		{"large": took(0.5), "small": took(0.08)},
		{"large": took(0.52), "small": took(0.04)},
		{"large": took(0.9), "small": took(0.05), "other": took(0.01)},
	}
	kept := quietHalf(rounds, []string{"large", "small"})
	if len(kept) != 3 || kept[0]["large"] != rounds[0]["large"] || kept[1]["large"] != rounds[1]["large"] || kept[2]["large"] != rounds[3]["large"] {
		t.Fatalf("kept %d rounds: %v; want the first, the second and the fourth", len(kept), kept)
	}
	if all := together(kept, "large"); len(all.windows) != 3 || all.windows[0].User != 1.2 || all.windows[2].User != 1.04 {
		t.Errorf("windows %+v, want those of the three turns in their order", all.windows)
	}
	if one := together(kept, "other"); len(one.windows) != 1 {
		t.Errorf("%d windows of a server that had one turn", len(one.windows))
	}
	if len(rounds) != 5 || rounds[2] == nil {
		t.Error("the rounds that were given are not what they were")
	}
}
