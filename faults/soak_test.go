package faults

import (
	"encoding/json"
	"fmt"
	"os"
)

const soakFile = "../benchmarks/results/soak.json"

// soaked takes down what the last "make soak" has left: it takes half an hour, and is not run again for this.
func soaked(r *result) error {
	text, err := os.ReadFile(soakFile)
	if err != nil {
		return fmt.Errorf("make soak writes it: %w", err)
	}
	var run struct {
		Args struct {
			Duration float64 `json:"duration_ns"`
		}
		Verdict string
		Soak    struct {
			Clients float64
			Faults  map[string]struct{ Times int }
			Slopes  map[string]struct {
				PerHour    float64 `json:"per_hour"`
				Resolution float64
				Verdict    string
			}
		}
	}
	if err := json.Unmarshal(text, &run); err != nil {
		return fmt.Errorf("%s: %w", soakFile, err)
	}
	faults := 0
	for _, f := range run.Soak.Faults {
		faults += f.Times
	}
	r.Runs = 1
	r.failed = run.Verdict != "correct"
	r.add("minutes", run.Args.Duration/60e9, "")
	r.add("clients", run.Soak.Clients, "")
	r.add("faults", float64(faults), "")
	for _, held := range []struct {
		slope, name, unit string
		per               float64
	}{{"live_heap_bytes", "live heap", "MB", 1e6}, {"goroutines", "goroutines", "", 1}, {"descriptors", "descriptors", "", 1}} {
		s := run.Soak.Slopes[held.slope]
		r.add(held.name+": growth an hour", s.PerHour/held.per, held.unit)
		r.add(held.name+": give or take (95 %)", s.Resolution/held.per, held.unit)
		r.failed = r.failed || s.Verdict != "zero"
	}
	r.Note = "from benchmarks/results/soak.json and soak.svg, which make soak writes"
	return nil
}
