package proc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary started again is a child of the tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "echo" {
		if err := Serve(os.Stdin, os.Stdout, echo); err != nil {
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func echo(do string, body json.RawMessage) (any, error) {
	switch do {
	case "echo":
		return body, nil
	case "cores":
		cores, err := Cores()
		return append(cores, runtime.GOMAXPROCS(0)), err
	case "spin":
		for begin, _ := CPU(os.Getpid()); ; {
			if now, err := CPU(os.Getpid()); err != nil || now.Sub(begin).Total() >= 3*tick {
				return nil, err
			}
		}
	case "exit":
		os.Exit(3)
	case "hang":
		select {}
	}
	return nil, errors.New("no such request")
}

func startEcho(t *testing.T, cores []int) *Child {
	t.Helper()
	c, err := StartRole("echo", cores, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop(10 * time.Second) })
	return c
}

func TestChildAnswersAndFailsInWords(t *testing.T) {
	c := startEcho(t, nil)
	ctx := context.Background()
	long := strings.Repeat("x", 1<<20)
	var got string
	if err := c.Ask(ctx, "echo", long, &got); err != nil || got != long {
		t.Fatalf("%d bytes came back, error %v", len(got), err)
	}
	if err := c.Ask(ctx, "dance", nil, nil); err == nil || !strings.Contains(err.Error(), "dance: no such request") {
		t.Errorf("error %v", err)
	}
	if err := c.Ask(ctx, "echo", "again", &got); err != nil || got != "again" {
		t.Errorf("behind a failure: %q, error %v", got, err)
	}
	if err := c.Ask(ctx, "exit", nil, nil); !errors.Is(err, errEnded) || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
}

func TestChildIsBornOnItsCores(t *testing.T) {
	cores, err := Cores()
	if err != nil {
		t.Fatal(err)
	}
	last := cores[len(cores)-1]
	var got []int
	if err := startEcho(t, []int{last}).Ask(context.Background(), "cores", nil, &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []int{last, 1}) {
		t.Errorf("child may run on %v and has GOMAXPROCS %d, want core %d alone", got[:len(got)-1], got[len(got)-1], last)
	}
	if after, err := Cores(); err != nil || !slices.Equal(after, cores) {
		t.Errorf("own cores are %v now, were %v, error %v", after, cores, err)
	}
	if _, err := Start("nowhere", []int{1 << 9}, os.Stderr, os.Args[0]); err == nil {
		t.Error("pinned to a core that there is not")
	}
}

func TestChildUsesCPUAndMemory(t *testing.T) {
	c := startEcho(t, nil)
	before, err := CPU(c.Pid())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ask(context.Background(), "spin", nil, nil); err != nil {
		t.Fatal(err)
	}
	after, err := CPU(c.Pid())
	if err != nil || after.Sub(before).Total() < 3*tick {
		t.Errorf("used %v, error %v", after.Sub(before), err)
	}
	if n, err := Resident(c.Pid()); err != nil || n < 1<<20 || n > 1<<30 {
		t.Errorf("resident %d, error %v", n, err)
	}
	if busy, err := Busy(); err != nil || busy < after.Total() {
		t.Errorf("machine busy for %v, error %v", busy, err)
	}
}

func TestStopEndsAChildThatHangs(t *testing.T) {
	c := startEcho(t, nil)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(fmt.Errorf("enough"))
	if err := c.Ask(ctx, "hang", nil, nil); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("error %v", err)
	}
	c.Stop(10 * time.Second)
	select {
	case <-c.Ended():
	default:
		t.Error("still there")
	}
}

func TestServeAnswersEveryLine(t *testing.T) {
	in := "{\"do\":\"echo\",\"body\":[1]}\nnonsense\n{\"do\":\"fly\"}\n"
	var out bytes.Buffer
	if err := Serve(strings.NewReader(in), &out, echo); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || lines[0] != `{"body":[1]}` || !strings.Contains(lines[1], "nonsense") || !strings.Contains(lines[2], "fly: no such request") {
		t.Errorf("answers %q", lines)
	}
}

func TestParseStat(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want Usage
		err  string
	}{
		"plain":            {"12 (feedd) S 1 12 12 0 -1 4194560 5 0 0 0 250 1175 0 0 20 0 9 0 100", Usage{2500 * time.Millisecond, 11750 * time.Millisecond}, ""},
		"a name with )":    {"12 (a) b (c)) R 1 12 12 0 -1 4194560 5 0 0 0 1 2 0 0", Usage{10 * time.Millisecond, 20 * time.Millisecond}, ""},
		"no name":          {"12 feedd S 1", Usage{}, "no command"},
		"too short":        {"12 (feedd) S 1 12", Usage{}, "3 fields"},
		"no number":        {"12 (feedd) S 1 12 12 0 -1 4194560 5 0 0 0 x 1175 0", Usage{}, "field 14"},
		"nothing whatever": {"", Usage{}, "no command"},
	} {
		got, err := parseStat([]byte(c.text))
		if c.err == "" && (err != nil || got != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
	}
}

func TestParseRollup(t *testing.T) {
	good := "55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss:               11832 kB\nPss:                8211 kB\n"
	if n, err := parseRollup([]byte(good)); err != nil || n != 11832<<10 {
		t.Errorf("%d bytes, error %v", n, err)
	}
	for _, bad := range []string{"", "Rss: 12 MB\n", "Rss: many kB\n"} {
		if _, err := parseRollup([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestParseBusy(t *testing.T) {
	got, err := parseBusy([]byte("cpu  100 5 50 9000 70 3 2 1 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"))
	if want := 160 * tick; err != nil || got != want {
		t.Errorf("busy %v, want %v, error %v", got, want, err)
	}
	for _, bad := range []string{"", "cpu 1 2\n", "cpu a b c d e f g h\n"} {
		if _, err := parseBusy([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestModelName(t *testing.T) {
	if got := modelName([]byte("processor\t: 0\nmodel name\t: AMD EPYC\n")); got != "AMD EPYC" {
		t.Errorf("model %q", got)
	}
	if got := modelName(nil); got != "" {
		t.Errorf("model %q of nothing", got)
	}
}
