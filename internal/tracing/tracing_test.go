package tracing

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector takes spans as a real one does.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracev1.Span
}

func newCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var m collectorv1.ExportTraceServiceRequest
		if err := proto.Unmarshal(b, &m); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, rs := range m.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) named(name string) (found []*tracev1.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

func start(t *testing.T, c *collector, share float64) *Tracer {
	t.Helper()
	tr, err := Start(t.Context(), Options{Endpoint: c.URL, Share: share, Version: "v1", Node: "a", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func text(s *tracev1.Span, key string) string {
	i := slices.IndexFunc(s.Attributes, func(kv *commonv1.KeyValue) bool { return kv.Key == key })
	if i < 0 {
		return ""
	}
	return s.Attributes[i].Value.GetStringValue()
}

func TestWritesAreTracedAndReadsAreNot(t *testing.T) {
	c := newCollector(t)
	tr := start(t, c, 0)
	h := tr.Writes(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/bad" {
			http.Error(w, "no", http.StatusInternalServerError)
		}
	}))
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/v1/policy", nil), httptest.NewRequest(http.MethodPut, "/v1/policy", nil), httptest.NewRequest(http.MethodPost, "/v1/bad", nil),
	} {
		r.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	tr.Stop()
	spans := c.named("admin")
	if len(spans) != 2 || text(spans[0], "url.path") != "/v1/policy" || spans[1].Status.Code != tracev1.Status_STATUS_CODE_ERROR {
		t.Fatalf("%v", spans)
	}
	if id := spans[0].TraceId; len(id) != 16 || id[0] != 0x0a || id[15] != 0x9c {
		t.Errorf("the caller's trace is not gone on with: %x", id)
	}
}

func TestAShareOfWhatClientsDoIsTraced(t *testing.T) {
	for share, want := range map[float64]int{0: 0, 1: 20} {
		c := newCollector(t)
		tr := start(t, c, share)
		h := tr.Connections(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if _, ok := w.(interface{ Unwrap() http.ResponseWriter }); !ok && share == 1 {
				t.Error("the connection cannot be taken over")
			}
		}))
		for range 20 {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v1/ws", nil))
			tr.Sampled("subscribe", attribute.String("session", "x"))()
		}
		tr.Stop()
		if got := len(c.named("connect")); got != want {
			t.Errorf("share %v: %d connections", share, got)
		}
		if got := len(c.named("subscribe")); got != want {
			t.Errorf("share %v: %d requests", share, got)
		}
	}
}

func TestSpansEndWithTheirError(t *testing.T) {
	c := newCollector(t)
	tr := start(t, c, 0)
	_, end := tr.Span(t.Context(), "policy.apply", attribute.Int64("revision", 7))
	end(errors.New("no"))
	tr.Stop()
	if s := c.named("policy.apply"); len(s) != 1 || s[0].Status.Message != "no" {
		t.Errorf("%v", s)
	}
}

func TestWithoutATracerNothingHappens(t *testing.T) {
	var tr *Tracer
	h := http.NotFoundHandler()
	if tr.Writes(h) == nil || tr.Connections(h) == nil {
		t.Error("no handler")
	}
	_, end := tr.Span(t.Context(), "x")
	end(nil)
	tr.Sampled("x")()
	tr.Stop()
}

// A collector that is not there costs nobody anything.
func TestACollectorThatIsNotThere(t *testing.T) {
	tr, err := Start(t.Context(), Options{Endpoint: "http://127.0.0.1:1", Share: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	tr.Sampled("x")()
	tr.Stop()
}
