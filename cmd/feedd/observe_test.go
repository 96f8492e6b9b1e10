package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// What operators and clients do is told to a collector.
func TestTheControlPlaneIsTraced(t *testing.T) {
	var mu sync.Mutex
	names := map[string]int{}
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var m collectorv1.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(b, &m) != nil {
			t.Errorf("%d bytes that are no spans, %v", len(b), err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range m.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					names[s.Name]++
				}
			}
		}
	}))
	t.Cleanup(collector.Close)
	t.Setenv("FEEDD_TRACE_ENDPOINT", collector.URL)
	t.Setenv("FEEDD_TRACE_SHARE", "1")
	s := node(t, io.Discard)
	dial(t, s, 50)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.private.Addr().String()+"/v1/policy/stops?reason=test",
		strings.NewReader(`{"symbols": ["sim:*"]}`))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	// Spans are sent a few seconds late, and policies look for sessions a few times a second.
	eventually(t, func() (bool, string) {
		mu.Lock()
		defer mu.Unlock()
		return names["connect"] > 0 && names["subscribe"] > 0 && names["admin"] > 0 && names["policy.apply"] > 0, "spans are missing"
	})
}

// A cut that comes late leaves the moments before it in a file, and they can be asked for.
func TestTheMomentsBeforeALateCut(t *testing.T) {
	t.Setenv("FEEDD_FLIGHT_LATE", "1us")
	s := node(t, io.Discard)
	dial(t, s, 20)
	eventually(t, func() (bool, string) {
		found, err := filepath.Glob(filepath.Join(s.options.dataDir, "flight", "late-*.trace"))
		if err != nil || len(found) == 0 {
			return false, "no file"
		}
		b, err := os.ReadFile(found[0])
		return err == nil && bytes.HasPrefix(b, []byte("go 1.")), "a file that is no trace"
	})
	if status, body := s.visit(t, "/debug/flight"); status != http.StatusOK || !strings.HasPrefix(body, "go 1.") {
		t.Errorf("asked for: status %d, %d bytes", status, len(body))
	}
}

func TestNothingIsRecordedUnlessWanted(t *testing.T) {
	s := node(t, io.Discard)
	if status, body := s.visit(t, "/debug/flight"); status != http.StatusNotFound || !strings.Contains(body, "set flight.late") {
		t.Errorf("status %d, %s", status, body)
	}
}
