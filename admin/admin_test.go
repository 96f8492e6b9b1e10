package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/feedd/feedd/internal/drop"
)

func figures() Figures {
	return Figures{
		Connections: 3, ConnectionsOpened: 10, ConnectionsClosed: map[uint16]uint64{1000: 5, 4001: 2}, FramesSent: 70, BytesSent: 9000,
		Ticks: map[string]uint64{"quote": 40, "trade": 2}, Sources: 4, SourcesSuspect: 1, NATSConnected: true,
		CheckpointTime: 1.7e9, CheckpointTook: 0.25, CheckpointBytes: 4096,
	}
}

func get(t *testing.T, h http.Handler, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestProbesTellWhatFailed(t *testing.T) {
	booted := errors.New("still reading the stream")
	h := Handler(Probes{
		Ready:   []Check{{"nats", func() error { return nil }}, {"boot", func() error { return booted }}},
		Startup: []Check{{"boot", func() error { return booted }}},
	}, NewRegistry("v1", figures, new(drop.Counters)))
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/livez", 200, "ok\n"},
		{"/readyz", 503, "failed: boot: still reading the stream\n"},
		{"/readyz?verbose=1", 503, "[+] nats\n[-] boot: still reading the stream\nfailed: boot: still reading the stream\n"},
		{"/startupz", 503, "failed: boot: still reading the stream\n"},
	} {
		if status, body := get(t, h, c.path); status != c.status || body != c.body {
			t.Errorf("%s: got %d %q, want %d %q", c.path, status, body, c.status, c.body)
		}
	}
	booted = nil
	if status, body := get(t, h, "/readyz"); status != 200 {
		t.Errorf("ready after boot: got %d %q", status, body)
	}
}

func TestNotesDecideNothing(t *testing.T) {
	h := Handler(Probes{Notes: []Note{{"load", func() string { return "<shedding>" }}}}, NewRegistry("v1", figures, new(drop.Counters)))
	if status, body := get(t, h, "/readyz?verbose"); status != 200 || body != "[ ] load: <shedding>\nok\n" {
		t.Errorf("got %d %q", status, body)
	}
	if _, body := get(t, h, "/"); !strings.Contains(body, "<dt>load<dd>&lt;shedding&gt;") {
		t.Errorf("the index does not say it: %s", body)
	}
}

func TestEveryPathAnswers(t *testing.T) {
	h := Handler(Probes{}, NewRegistry("v1", figures, new(drop.Counters)))
	for path, want := range map[string]string{
		"/": "/debug/pprof/", "/metrics": "go_goroutines", "/debug/pprof/": "goroutine", "/debug/pprof/cmdline": "",
	} {
		if status, body := get(t, h, path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: got %d without %q", path, status, want)
		}
	}
	if status, _ := get(t, h, "/nothing"); status != 404 {
		t.Errorf("/nothing: got %d, want 404", status)
	}
}

func TestMetricsAreFollowedByTheirFigures(t *testing.T) {
	drops := new(drop.Counters)
	drops.Add(drop.Conflated, 7)
	r := NewRegistry("v1.2.3", figures, drops)
	const want = `
		# HELP feedd_build_info Always 1; the label names the version.
		# TYPE feedd_build_info gauge
		feedd_build_info{version="v1.2.3"} 1
		# HELP feedd_checkpoint_duration_seconds How long the last checkpoint took to write.
		# TYPE feedd_checkpoint_duration_seconds gauge
		feedd_checkpoint_duration_seconds 0.25
		# HELP feedd_checkpoint_size_bytes How large the last checkpoint is.
		# TYPE feedd_checkpoint_size_bytes gauge
		feedd_checkpoint_size_bytes 4096
		# HELP feedd_checkpoint_timestamp_seconds When the last checkpoint that could be written was begun; 0: none yet.
		# TYPE feedd_checkpoint_timestamp_seconds gauge
		feedd_checkpoint_timestamp_seconds 1.7e+09
		# HELP feedd_conflated_total Ticks merged into a later row, over all clients.
		# TYPE feedd_conflated_total counter
		feedd_conflated_total 7
		# HELP feedd_connections Open connections of clients.
		# TYPE feedd_connections gauge
		feedd_connections 3
		# HELP feedd_connections_closed_total Connections ended, by close code.
		# TYPE feedd_connections_closed_total counter
		feedd_connections_closed_total{code="1000"} 5
		feedd_connections_closed_total{code="4001"} 2
		# HELP feedd_ingest_ticks_total Ticks applied, by channel.
		# TYPE feedd_ingest_ticks_total counter
		feedd_ingest_ticks_total{channel="quote"} 40
		feedd_ingest_ticks_total{channel="trade"} 2
		# HELP feedd_sources_suspect Sources that are silent beyond their heartbeat, or gone.
		# TYPE feedd_sources_suspect gauge
		feedd_sources_suspect 1
	`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "feedd_build_info", "feedd_conflated_total", "feedd_checkpoint_duration_seconds", "feedd_checkpoint_size_bytes", "feedd_checkpoint_timestamp_seconds", "feedd_connections",
		"feedd_connections_closed_total", "feedd_ingest_ticks_total", "feedd_sources_suspect"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(r, "feedd_dropped_total"); err != nil || n != int(drop.Reasons) {
		t.Errorf("%d drop reasons, %v; want all %d from the start", n, err, drop.Reasons)
	}
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}
