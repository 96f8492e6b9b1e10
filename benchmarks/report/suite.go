package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/proc"
)

// Suite is all scenarios of one run.
type Suite struct {
	Started  time.Time         `json:"started"`
	Seconds  float64           `json:"seconds"`
	Machine  proc.Machine      `json:"machine"`
	Versions map[string]string `json:"versions"`
	Budgets  []Budget          `json:"budgets"`
	// Failures say of each step that gave no result why.
	Failures map[string]string  `json:"failures,omitempty"`
	Results  map[string]*Result `json:"results"`
}

// Budget is a promise and what became of it.
type Budget struct {
	What     string  `json:"what"`
	Limit    string  `json:"limit"`
	Measured float64 `json:"measured"`
	Held     bool    `json:"held"`
	Step     string  `json:"step"`
	// Bound is what Measured would be if feedd cost no more than the floor did in the same turns; 0: not known.
	Bound float64 `json:"bound,omitempty"`
}

// String is the budget in a line, for people who watch.
func (b Budget) String() string {
	held := "held"
	if !b.Held {
		held = "NOT held"
	}
	return fmt.Sprintf("%s: %s, wanted %s: %s", b.What, b.measured(), b.Limit, held)
}

func (b Budget) measured() string {
	if b.Bound > 0 {
		return number(b.Measured) + " (the floor's frames: " + number(b.Bound) + ")"
	}
	return number(b.Measured)
}

// Judge holds the results against the budgets. A step without a result leaves its budgets out.
func (s *Suite) Judge() {
	s.Budgets = nil
	at := func(step string, f func(r *Result)) {
		if r := s.Results[step]; r != nil {
			f(r)
		}
	}
	most := func(step, what string, got, limit float64, unit string) {
		s.Budgets = append(s.Budgets, Budget{What: what, Limit: fmt.Sprintf("≤ %g%s", limit, unit), Measured: got, Held: got <= limit, Step: step})
	}
	least := func(step, what string, got, limit, bound float64) {
		s.Budgets = append(s.Budgets, Budget{What: what, Limit: fmt.Sprintf("≥ %g", limit), Measured: got, Held: got >= limit, Step: step, Bound: bound})
	}
	at("fanout", func(r *Result) {
		most("fanout", "CPU per frame to the floor's; 5,000 sessions, 20 of 200 instruments, 250 ms", r.RatioToFloor, 1.25, "")
		most("fanout", "resident memory per session, 20 subscriptions, KB", r.ResidentPerSession/1000, 10, "")
	})
	// As it is meant, its frames collected for a moment. Collected for a whole cadence they are cheaper, and rows grow twice as old.
	versus := func(step string, perSession int, limit float64) {
		at(step, func(r *Result) {
			if v, ok := r.Versus["centrifuge latest"]; ok {
				least(step, fmt.Sprintf("CPU per update of centrifuge, conflating, to feedd's; %d a session", perSession), v.CPUPerUpdate, limit, v.ToFloor)
			}
		})
	}
	versus("peers", 20, 10)
	versus("peers-100", 100, 40)
	at("curve-ticks", func(r *Result) {
		first, ok := r.Curve.At(1)
		eight, ok8 := r.Curve.At(8)
		if ok && ok8 {
			most("curve-ticks", "growth of CPU, ingest aside, at eight times the tick rate, %", 100*(ratio(eight.CPUPerFrame, first.CPUPerFrame)-1), 5, "")
		}
	})
	at("rows", func(r *Result) {
		for _, name := range slices.Sorted(maps.Keys(r.Rows)) {
			switch f := r.Rows[name]; {
			case !strings.Contains(name, "btc"):
			case f.ExchangeTime:
				most("rows", "bytes per quote update at 10 Hz, exchange time included, "+name, f.Delta, 14, "")
			default:
				most("rows", "bytes per quote update at 10 Hz, "+name, f.Delta, 12, "")
			}
		}
	})
	at("latency", func(r *Result) {
		most("latency", "immediate latency to that of nats-server's WebSocket, p50", r.P50, 1.5, "")
		most("latency", "the same, p99", r.P99, 1.5, "")
	})
	at("lateness", func(r *Result) {
		most("lateness", "lateness of cuts with 10,000 sessions, p99, ms", float64(r.Fanout.Lateness.P99)/1000, 50, "")
	})
	at("storm", func(r *Result) {
		most("storm", "10,000 clients × 100 instruments at once: all live behind the last accept, s", r.Storm.Behind, 5, "")
		most("storm", "the same: peak memory to steady", r.Storm.PeakToSteady, 1.5, "")
	})
	at("stuck", func(r *Result) {
		most("stuck", "1,000 stuck clients of 10,000: p99 of the others to that before", r.Stuck.P99, 1.2, "")
	})
	at("ingest", func(r *Result) {
		least("ingest", "quote ticks taken in per second of one core, thousands", r.TakenIn.PerCoreSecond/1000, 300, 0)
	})
}

// Markdown writes the budgets, and how each step went.
func (s *Suite) Markdown(w io.Writer, steps []string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s in %.0f s on %s, %d cores, Linux %s, %s.\n\n", s.Started.Format("2006-01-02"), s.Seconds,
		s.Machine.CPU, s.Machine.Cores, s.Machine.Kernel, s.Versions["go"])
	b.WriteString("| budget | limit | measured | held | step |\n|---|---|---|---|---|\n")
	for _, x := range s.Budgets {
		held := "yes"
		if !x.Held {
			held = "**no**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | `%s` |\n", x.What, x.Limit, x.measured(), held, x.Step)
	}
	b.WriteString("\n| step | verdict | command |\n|---|---|---|\n")
	for _, name := range steps {
		if why, failed := s.Failures[name]; failed {
			fmt.Fprintf(&b, "| `%s` | failed: %s | |\n", name, why)
		}
		if r := s.Results[name]; r != nil {
			verdict := r.Verdict
			if n := len(r.Warnings); n > 0 {
				verdict += fmt.Sprintf(", %d warnings", n)
			}
			fmt.Fprintf(&b, "| `%s` | %s | `%s` |\n", name, verdict, r.Command)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
