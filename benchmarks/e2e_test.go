package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/feedd/feedd/benchmarks/report"
)

// The test binary started again with the name of a role is that role, as the command itself is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// feeddBinary is FEEDD_BIN, or built from this checkout.
func feeddBinary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("FEEDD_BIN"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "feedd")
	if out, err := exec.Command("go", "build", "-C", "..", "-o", path, "./cmd/feedd").CombinedOutput(); err != nil {
		t.Fatalf("build feedd: %v\n%s", err, out)
	}
	return path
}

// figure reads a number of a result by its path.
func figure(t *testing.T, result map[string]any, path string) float64 {
	t.Helper()
	b, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	figures, err := report.Flatten(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range figures {
		if f.Path == path {
			return f.Value
		}
	}
	t.Fatalf("no %s in %s", path, b)
	return 0
}

func runJSON(t *testing.T, args ...string) map[string]any {
	t.Helper()
	// A file, since processes write to it at the same time.
	progress, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer progress.Close()
	var stdout bytes.Buffer
	if err := command(context.Background(), append(args, "-json"), &stdout, progress); err != nil {
		told, _ := os.ReadFile(progress.Name())
		t.Fatalf("%v\n%s%s", err, told, stdout.String())
	}
	var result map[string]any
	if err := json.Unmarshal(stdout.Bytes(), &result); err != nil {
		t.Fatalf("standard output is not one JSON object: %v\n%s", err, stdout.String())
	}
	if result["verdict"] != "correct" {
		t.Fatalf("verdict %v: %v", result["verdict"], result["problems"])
	}
	return result
}

// The whole of it against the real server: what is measured here is whether it measures.
func TestScenariosRunAgainstFeedd(t *testing.T) {
	feedd := feeddBinary(t)
	for name, c := range map[string]struct{ args, figure string }{
		"json":     {"-scenario fanout -speak feed-json -deflate auto -sessions 30 -probes 5", "frames_per_s"},
		"ingest":   {"-scenario ingest -instruments 20 -tick-hz 200", "ingest.ticks_per_core_second"},
		"tls":      {"-scenario fanout -tls -sessions 30 -probes 5 -cadence 20ms", "frames_per_s"},
		"curve":    {"-scenario curve -curve cores -sessions 30 -probes 5", "curve.points.1.frames_per_s"},
		"speeds":   {"-scenario curve -curve ticks -sessions 30 -probes 5", "curve.points.3.frames_per_s"},
		"mix":      {"-scenario mix -sessions 100 -instruments 60 -warmup 2s", "mix.classes.4.book_rows"},
		"storm":    {"-scenario storm -sessions 100 -instruments 100 -per-session 50 -cadence 100ms", "storm.peak_to_steady"},
		"stuck":    {"-scenario stuck -rounds 2 -sessions 60 -probes 10", "stuck.p99_during_to_before"},
		"throttle": {"-scenario throttle -sessions 60", "throttle.all_told_s"},
		"ways":     {"-scenario ways -sessions 20", "ways.poll.bytes_per_event"},
		"peers":    {"-scenario peers -peers feedd,latest -sessions 20 -probes 4", "times_as_much_as_feedd.centrifuge latest.cpu_per_update_to_floor"},
		"builds":   {"-scenario peers -peers feedd -against " + feedd + " -sessions 20 -probes 4", "peers.feedd against.frames_per_s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := runJSON(t, append(strings.Fields(c.args), "-server", feedd, "-window", "1s", "-warmup", "1s")...)
			if v := figure(t, result, c.figure); v <= 0 {
				t.Errorf("%s is %v", c.figure, v)
			}
		})
	}
	t.Run("fanout", func(t *testing.T) {
		t.Parallel()
		profile := filepath.Join(t.TempDir(), "cpu.prof")
		result := runJSON(t, "-scenario", "fanout", "-server", feedd, "-sessions", "60", "-probes", "10", "-cadence", "20ms",
			"-window", "1s", "-warmup", "1s", "-profile", profile)
		for _, name := range []string{
			"server_cpu_us_per_frame_total", "floor_cpu_us_per_frame", "frames_per_s", "updates_per_s", "bytes_per_update",
			"resident_bytes_with_sessions", "final_quotes_compared",
		} {
			if v, ok := result[name].(float64); !ok || v <= 0 {
				t.Errorf("%s is %v", name, result[name])
			}
		}
		if info, err := os.Stat(profile); err != nil || info.Size() == 0 {
			t.Errorf("no profile: %v", err)
		}
	})
	t.Run("soak", func(t *testing.T) {
		t.Parallel()
		drawn := filepath.Join(t.TempDir(), "soak.svg")
		result := runJSON(t, "-scenario", "soak", "-server", feedd, "-sessions", "40", "-instruments", "50", "-warmup", "4s", "-duration", "34s", "-plot", drawn)
		for _, path := range []string{"soak.connects", "soak.quotes_compared", "soak.books_compared", "soak.tapes_compared", "soak.left.goroutines.after"} {
			if v := figure(t, result, path); v <= 0 {
				t.Errorf("%s is %v", path, v)
			}
		}
		if info, err := os.Stat(drawn); err != nil || info.Size() == 0 {
			t.Errorf("no picture: %v", err)
		}
	})
	t.Run("latency", func(t *testing.T) {
		t.Parallel()
		result := runJSON(t, "-scenario", "latency", "-server", feedd, "-sessions", "3", "-window", "1s", "-warmup", "1s")
		if v, ok := result["p50_to_nats"].(float64); !ok || v <= 0 {
			t.Errorf("p50_to_nats is %v", result["p50_to_nats"])
		}
	})
}
