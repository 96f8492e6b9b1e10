package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/client"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// logbook is what a node logs, safe to read meanwhile.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// node is a whole feedd in this process, with a small market of its own.
func node(t *testing.T, log io.Writer, args ...string) *server {
	t.Helper()
	all := []string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--sim-instruments", "5", "--sim-rate", "500"}
	o, err := parseServe(append(all, args...), log)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(o, io.Discard)
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) url() string { return "ws://" + s.public.Addr().String() + "/v1/ws" }

// visit reads a page of the admin listener.
func (s *server) visit(t *testing.T, path string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.private.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() // was only read
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// metric returns the value of a series of a scrape; false: there is none.
func metric(t *testing.T, scrape, series string) (float64, bool) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(scrape)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v, true
}

// eventually waits for a condition, and fails with what the last look returned.
func eventually(t *testing.T, look func() (ok bool, seen string)) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		ok, seen := look()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(seen)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// dial connects a client that follows everything of the market at a cadence in milliseconds.
func dial(t *testing.T, s *server, cadence uint32) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := client.Dial(ctx, s.url(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Subscribe(ctx, &feedv1.Subscribe{Symbols: []string{"sim:*"}, CadenceMs: &cadence}); err != nil {
		t.Fatal(err)
	}
	return c
}

// Every hop of a tick is measured, and so is what clients hold.
func TestEveryHopIsMeasured(t *testing.T) {
	s := node(t, io.Discard)
	dial(t, s, 0)
	dial(t, s, 50)
	eventually(t, func() (bool, string) {
		_, body := s.visit(t, "/metrics")
		for _, series := range []string{
			`feedd_tick_age_seconds_count{cadence="",stage="ingest"}`,
			`feedd_tick_age_seconds_count{cadence="immediate",stage="cut"}`,
			`feedd_tick_age_seconds_count{cadence="immediate",stage="socket"}`,
			`feedd_tick_age_seconds_count{cadence="50ms",stage="cut"}`,
			`feedd_tick_age_seconds_count{cadence="50ms",stage="socket"}`,
			`feedd_cut_lateness_seconds_count{cadence="50ms"}`,
			`feedd_subscriptions{cadence="50ms"}`, `feedd_lanes{cadence="immediate"}`,
			`feedd_frames_sent_total`, `feedd_bytes_sent_total`, `feedd_messages_received_total`,
			`feedd_ingest_ticks_total{channel="quote"}`, `feedd_source_heard_timestamp_seconds{source="sim"}`,
		} {
			if v, ok := metric(t, body, series); !ok || v <= 0 {
				return false, fmt.Sprintf("%s is %v, %v in\n%s", series, v, ok, body)
			}
		}
		return true, ""
	})
	if _, body := s.visit(t, "/metrics"); strings.Contains(body, "sim:") {
		t.Error("a symbol is a label")
	}
}

// A connection's end is one line, which says why it ended and what its client got and went without.
func TestTheEndOfAConnectionIsOneLine(t *testing.T) {
	var log logbook
	s := node(t, &log, "--log-format", "json")
	c := dial(t, s, 5000)
	c.Close()
	want := regexp.MustCompile(`"msg":"connection ended","remote":"127[^"]+","transport":"websocket","http":"1.1","code":10\d\d,"cause":"[^"]*","lasted":\d+,"subprotocol":"feedd.v1.proto","frames":\d+,"bytes":\d+,"session":"[A-Z2-7]{16}","tier":"default","conflated":\d+,"lost":0,"missed_frames":[01]`) // one where the close meets a frame
	eventually(t, func() (bool, string) {
		return strings.Count(log.String(), "connection ended") == 1 && want.MatchString(log.String()), log.String()
	})
}

func TestHealthcheckAsksTheNode(t *testing.T) {
	s := node(t, io.Discard)
	address := s.private.Addr().String()
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"healthcheck", "--admin-listen", address}, exitOK, "ok\n"},
		{[]string{"healthcheck", "ready", "--admin-listen", address}, exitOK, "[ ] load: open; memory"},
		{[]string{"healthcheck", "startup", "--admin-listen", address}, exitOK, "[+] booted"},
		{[]string{"healthcheck", "well", "--admin-listen", address}, exitUsage, "want live, ready or startup"},
		{[]string{"healthcheck", "--admin-listen", "127.0.0.1:1"}, exitFailed, "is feedd running here?"},
	} {
		if status, out, errs := run(t, t.Context(), c.args...); status != c.status || !strings.Contains(out+errs, c.want) {
			t.Errorf("%v: status %d, want %q in %s%s", c.args, status, c.want, out, errs)
		}
	}
	s.draining.Store(true)
	if status, _, errs := run(t, t.Context(), "healthcheck", "ready", "--admin-listen", address); status != exitFailed || !strings.Contains(errs, "the server is stopping") {
		t.Errorf("draining: status %d, %s", status, errs)
	}
	for listen, want := range map[string]string{"0.0.0.0:1": "localhost:1", ":1": "localhost:1", "[::]:1": "localhost:1", "10.0.0.1:1": "10.0.0.1:1"} {
		if got := localAddress(listen); got != want {
			t.Errorf("%s: %s, want %s", listen, got, want)
		}
	}
}
