package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// result is what came of a row.
type result struct {
	Row      int       `json:"row"`
	Fault    string    `json:"fault"`
	Expected string    `json:"expected"`
	Verdict  string    `json:"verdict"`
	Figures  []*figure `json:"figures"`
	Runs     int       `json:"runs"`
	Seed     uint64    `json:"seed"`
	HeldBy   []string  `json:"held_by,omitempty"` // tests elsewhere
	Note     string    `json:"note,omitempty"`

	mu     sync.Mutex
	failed bool
}

// figure is a number that each run has brought.
type figure struct {
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Median float64   `json:"median"`
	Worst  float64   `json:"worst"` // the largest
	Values []float64 `json:"values"`
}

func (r *result) add(name string, value float64, unit string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.Figures, func(f *figure) bool { return f.Name == name })
	if i < 0 {
		i = len(r.Figures)
		r.Figures = append(r.Figures, &figure{Name: name, Unit: unit})
	}
	f := r.Figures[i]
	f.Values = append(f.Values, value)
	sorted := slices.Sorted(slices.Values(f.Values))
	f.Median, f.Worst = sorted[len(sorted)/2], sorted[len(sorted)-1]
}

func verdict(ok bool) string {
	if ok {
		return "held"
	}
	return "FAILED"
}

func join(a, b string) string { return strings.TrimPrefix(a+"; "+b, "; ") }

// exists reports whether a test such as "e2e.TestFaults" is there.
func exists(name string) error {
	pkg, function, _ := strings.Cut(name, ".")
	files, _ := filepath.Glob(filepath.Join("..", filepath.FromSlash(pkg), "*_test.go"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte("func "+function+"(")) {
			return nil
		}
	}
	return fmt.Errorf("no test %s", name)
}

// runHeld runs the tests elsewhere that rows refer to, each as often as a row, and returns which of them passed every time.
func runHeld(t *testing.T, results []*result) map[string]bool {
	byPackage := map[string][]string{}
	for _, r := range results {
		for _, name := range r.HeldBy {
			pkg, function, _ := strings.Cut(name, ".")
			if !slices.Contains(byPackage[pkg], function) {
				byPackage[pkg] = append(byPackage[pkg], function)
			}
		}
	}
	passed := map[string]bool{}
	for pkg, functions := range byPackage {
		fmt.Printf("%s: %s\n", pkg, strings.Join(functions, ", "))
		out, err := exec.CommandContext(t.Context(), "go", "test", "-json", "-timeout", "1h", "-count", strconv.Itoa(*runs), "-run", "^("+strings.Join(functions, "|")+")$", "../"+pkg).Output()
		if err != nil {
			t.Errorf("%s: %v", pkg, err)
		}
		times := map[string]int{}
		for line := range bytes.Lines(out) {
			var event struct{ Action, Test string }
			if json.Unmarshal(line, &event) == nil && event.Action == "pass" {
				times[event.Test]++
			}
		}
		for _, function := range functions {
			passed[pkg+"."+function] = times[function] == *runs
		}
	}
	return passed
}

// publish judges the rows and writes them down, for programs and for people.
func publish(t *testing.T, results []*result) {
	passed := runHeld(t, results)
	for _, r := range results {
		ran, ok := r.Runs > 0, !r.failed
		for _, name := range r.HeldBy {
			ran, ok = true, ok && passed[name]
		}
		if r.Runs == 0 && ran {
			r.Runs = *runs // of the tests elsewhere alone
		}
		if r.Verdict = verdict(ok); !ran {
			r.Verdict = "not run"
		}
	}
	results = merge(t, results)
	text, err := json.MarshalIndent(results, "", "  ")
	if err == nil {
		err = os.WriteFile(resultsFile, append(text, '\n'), 0o600)
	}
	if err == nil {
		err = os.WriteFile("../docs/faults.md", []byte(page(results)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

const resultsFile = "../benchmarks/results/faults.json"

// merge puts results in place of those of earlier runs.
func merge(t *testing.T, results []*result) (merged []*result) {
	var earlier []*result
	if text, err := os.ReadFile(resultsFile); err == nil {
		if err := json.Unmarshal(text, &earlier); err != nil {
			t.Fatalf("%s: %v", resultsFile, err)
		}
	}
	for _, w := range matrix() {
		for _, list := range [][]*result{results, earlier} {
			if i := slices.IndexFunc(list, func(r *result) bool { return r.Row == w.number }); i >= 0 {
				merged = append(merged, list[i])
				break
			}
		}
	}
	return merged
}

const pageHead = `# What happens when things break

Made by ` + "`make test-faults`" + `, which breaks them: see [faults/](../faults). Every row is a test against feedd as it is built for use, a
real nats-server and real connections, all on one machine. In each, clients hold on what they are told that no position goes back, that the last values are
the publisher's, that a loss is told of before or with the next value, and that the server keeps nothing of the fault afterwards.
Figures are the median, and the worst in brackets.

What others notice: in rows with a crowd (11, 12, 14, 16, 18, 19, 20) 200 clients stand by at a node and follow ten instruments at a cadence of 250 ms. The
node has one core to itself; the crowd, the NATS server, the bystanders and, where there are two nodes, the other one share the rest. *Age* is the time from
the publishing of a tick until it, or what took its place, reaches a bystander, and so what who looks at a dashboard has: the cadence and what the
server is late. *Lateness* is what rows come behind the moment at which their cut was due, cuts that were left out included: what the server adds. Both
are taken when the kernel of the bystander's machine has the bytes, before its program gets to read them. A row holds when the p99 of age, at that
cadence, grows by at most 20 % while the fault lasts, and the p99 of lateness stays below 50 ms. It does not hold lateness to 20 %: two milliseconds that
become four are nothing that anybody sees. Nor does it speak for clients who take rows at once, without a cadence: their age is all lateness. In row 39
the server shares its core with everything, and ages are told and not judged.

`

func page(results []*result) string {
	var b strings.Builder
	b.WriteString(pageHead)
	held, not := 0, 0
	for _, r := range results {
		switch r.Verdict {
		case "held":
			held++
		case "not run":
			not++
		}
	}
	fmt.Fprintf(&b, "%d rows: %d held, %d failed, %d not run here.\n\n", len(results), held, len(results)-held-not, not)
	b.WriteString("| # | fault | what must come of it | figures | verdict |\n|---|---|---|---|---|\n")
	for _, r := range results {
		var figures []string
		for _, f := range r.Figures {
			text := fmt.Sprintf("%s %s", f.Name, number(f.Median))
			if f.Worst != f.Median {
				text += fmt.Sprintf(" (%s)", number(f.Worst))
			}
			figures = append(figures, strings.TrimSpace(text+" "+f.Unit))
		}
		if len(r.HeldBy) > 0 {
			figures = append(figures, "held by "+strings.Join(r.HeldBy, ", "))
		}
		if r.Note != "" {
			figures = append(figures, r.Note)
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s", r.Row, r.Fault, r.Expected, strings.Join(figures, "<br>"), r.Verdict)
		if r.Runs > 1 {
			fmt.Fprintf(&b, ", %d runs", r.Runs)
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

func number(v float64) string {
	switch {
	case v == float64(int64(v)) || v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
