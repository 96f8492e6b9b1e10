// Package tracing tells a collector of OpenTelemetry what the control plane did, and how long it took: writes of operators,
// policies that are applied, and a share of the connections and requests of clients. Ticks are never traced.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options of a Tracer.
type Options struct {
	Endpoint string  // of a collector that takes OTLP over HTTP, as in http://localhost:4318
	Share    float64 // of the clients' connections and requests, 0 to 1
	Version  string  // of the software
	Node     string  // the name of this one
	Log      *slog.Logger
}

// Tracer sends spans until Stop. A nil Tracer does nothing. Its methods may be called from any goroutine.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	share    float64
}

// stopWithin bounds sending the last spans.
const stopWithin = 2 * time.Second

// Start makes a tracer. It does not wait for the collector, which may come later; what cannot be sent is dropped, and logged.
func Start(ctx context.Context, o Options) (*Tracer, error) {
	endpoint, err := url.JoinPath(o.Endpoint, "v1/traces")
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Warn("tracing", slog.Any("err", err)) }))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "feedd"), attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Node),
		)),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer("github.com/feedd/feedd"), share: o.Share}, nil
}

// Stop sends what is left, for a short while.
func (t *Tracer) Stop() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what cannot be sent was logged
}

// Span begins a span, which the caller ends.
func (t *Tracer) Span(ctx context.Context, name string, about ...attribute.KeyValue) (_ context.Context, end func(error)) {
	if t == nil {
		return ctx, func(error) {}
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithAttributes(about...))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// Sampled is Span for what clients do: for a share of the calls only.
func (t *Tracer) Sampled(name string, about ...attribute.KeyValue) (end func()) {
	if t == nil || rand.Float64() >= t.share {
		return func() {}
	}
	_, finish := t.Span(context.Background(), name, about...)
	return func() { finish(nil) }
}

// Writes traces the requests to h that change something. A caller's own trace is gone on with.
func (t *Tracer) Writes(h http.Handler) http.Handler {
	if t == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			h.ServeHTTP(w, r)
			return
		}
		t.serve(propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header)), "admin", h, w, r)
	})
}

// Connections traces a share of the requests to h.
func (t *Tracer) Connections(h http.Handler) http.Handler {
	if t == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rand.Float64() >= t.share {
			h.ServeHTTP(w, r)
			return
		}
		t.serve(r.Context(), "connect", h, w, r)
	})
}

func (t *Tracer) serve(ctx context.Context, name string, h http.Handler, w http.ResponseWriter, r *http.Request) {
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path), attribute.String("client.address", r.RemoteAddr),
	))
	defer span.End()
	answer := &watched{ResponseWriter: w}
	if r.Method == http.MethodConnect { // what follows the answer is not the request's any more
		answer.open = span
	}
	h.ServeHTTP(answer, r.WithContext(ctx))
	if answer.status != 0 { // else the connection was taken over
		span.SetAttributes(attribute.Int("http.response.status_code", answer.status))
	}
	if answer.status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(answer.status))
	}
}

// watched notes the status of an answer.
type watched struct {
	http.ResponseWriter
	status int
	open   trace.Span // to end with a good answer; nil: it ends with the request
}

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		if w.open != nil && status == http.StatusOK {
			w.open.SetAttributes(attribute.Int("http.response.status_code", status))
			w.open.End()
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets the connection be taken over.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
