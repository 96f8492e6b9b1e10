package faults

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/rig"
)

var (
	all   = flag.Bool("all", false, "run every row and write down what came of it")
	runs  = flag.Int("runs", 5, "how often to run each row, with -all")
	seed  = flag.Uint64("seed", 1, "what decides when faults happen and to whom; 0 draws one")
	only  = flag.String("rows", "", "run these rows alone, such as 1,2,13; with -all what is written down of the others stays")
	quick = flag.Bool("quick", false, "run the short form of each row, with -all")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	os.Exit(rig.Main(m, rig.Options{Race: !*all, Isolate: true}))
}

// row is a fault of the matrix.
type row struct {
	number          int
	fault, expected string
	// run brings it about. nil: nothing here does.
	run func(r *trial)
	// short has "go test" run it too.
	short bool
	// network says that it needs network namespaces.
	network bool
	// tools of the machine that it needs.
	tools []string
	// once is for rows that take long: they run once, unless they are named.
	once bool
	// found takes down what another run than this one has left; nil: there is none.
	found func(r *result) error
	// held names tests elsewhere that hold the row, or its other half: package and function.
	held []string
	// not says why a row, or a part of it, is not run.
	not string
}

// matrix is every row, in order.
func matrix() []row {
	rows := slices.Concat(upstreamRows, clientRows, inputRows, machineRows, beyond)
	slices.SortStableFunc(rows, func(a, b row) int { return a.number - b.number })
	return rows
}

// trial is one run of a row.
type trial struct {
	*testing.T
	random *rand.Rand
	short  bool
	result *result
}

// figure writes a number down: less is better, unless it is something that must be equal.
func (r *trial) figure(name string, value float64, unit string) {
	r.Helper()
	r.Logf("%s: %.4g %s", name, value, unit)
	r.result.add(name, value, unit)
}

func (r *trial) duration(name string, d time.Duration) {
	r.Helper()
	r.figure(name, float64(d.Microseconds())/1e3, "ms")
}

// pick chooses how much of something: little in the short selection, much otherwise.
func pick[T any](r *trial, short, long T) T {
	if r.short {
		return short
	}
	return long
}

func TestMatrix(t *testing.T) {
	t.Logf("seed %d", *seed)
	var results []*result
	for _, w := range matrix() {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), strconv.Itoa(w.number)) || *only == "" && !*all && !w.short {
			continue
		}
		results = append(results, runRow(t, &w))
	}
	if *all && !*quick {
		publish(t, results)
	}
}

func runRow(t *testing.T, w *row) *result {
	res := &result{Row: w.number, Fault: w.fault, Expected: w.expected, Seed: *seed, HeldBy: w.held, Note: w.not}
	if w.found != nil && *all {
		if err := w.found(res); err != nil {
			res.Note = join(res.Note, "not run: "+err.Error())
		}
	}
	if w.run == nil {
		return res
	}
	if why := missing(w); why != "" && *all {
		res.Note = join(res.Note, "not run: "+why)
		return res
	}
	times := 1
	if *all && (!w.once || *only != "") { // whoever names a long row wants it as often as he says
		times = *runs
	}
	for n := range times {
		began := time.Now()
		ok := t.Run(fmt.Sprintf("%02d %s/%d", w.number, w.fault, n+1), func(t *testing.T) {
			if !*all {
				t.Parallel()
			}
			w.run(&trial{T: t, random: rand.New(rand.NewPCG(*seed, uint64(w.number*1000+n))), short: !*all || *quick, result: res})
		})
		res.Runs++
		res.failed = res.failed || !ok
		if *all {
			fmt.Printf("row %d, %s: run %d of %d, %s in %v\n", w.number, w.fault, n+1, times, verdict(ok), time.Since(began).Round(100*time.Millisecond))
		}
	}
	return res
}

// missing names what a row needs that is not here.
func missing(w *row) string {
	if w.network {
		if why := rig.NoNetwork(); why != "" {
			return why
		}
	}
	for _, tool := range w.tools {
		if rig.Tool(tool) == "" {
			return tool + " is not here: scripts/deploy-tools fetches it"
		}
	}
	return ""
}

// Every row says what it is about, and something runs it or says why not.
func TestTheMatrixIsWhole(t *testing.T) {
	next := 1
	for _, w := range matrix() {
		if w.number != next {
			t.Errorf("row %d follows row %d", w.number, next-1)
		}
		next = w.number + 1
		if w.fault == "" || w.expected == "" || w.run == nil && w.found == nil && len(w.held) == 0 && w.not == "" {
			t.Errorf("row %d: nothing runs it", w.number)
		}
		for _, name := range w.held {
			if err := exists(name); err != nil {
				t.Errorf("row %d: %v", w.number, err)
			}
		}
	}
}
