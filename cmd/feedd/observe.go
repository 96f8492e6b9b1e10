package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/feedd/feedd/internal/build"
	"github.com/feedd/feedd/internal/flight"
	"github.com/feedd/feedd/internal/tracing"
)

// startObservers begins to trace and to record, where that is wanted, ahead of all that is to be seen.
func (s *server) startObservers() error {
	if t := s.options.Trace; t.Endpoint != "" {
		tracer, err := tracing.Start(context.Background(), tracing.Options{
			Endpoint: t.Endpoint, Share: t.Share, Version: build.Version(), Node: s.nodeName(), Log: s.options.log,
		})
		if err != nil {
			return usagef("%w", s.options.Setting("trace.endpoint").Wrap(err))
		}
		s.tracer = tracer
		s.started(func() error { tracer.Stop(); return nil })
	}
	if s.options.Flight.Late == 0 {
		return nil
	}
	if s.options.dataDir == "" {
		return usagef("%w", s.options.Setting("flight.late").Wrap(errors.New("there is no data directory to write to: name one with --data-dir")))
	}
	recorder, err := flight.Start(flight.Options{Dir: filepath.Join(s.options.dataDir, "flight"), Keep: s.options.Flight.Keep, Log: s.options.log})
	if err != nil {
		return usagef("%w", s.options.Setting("flight.late").Wrap(err))
	}
	s.flight = recorder
	s.started(func() error { recorder.Stop(); return nil })
	return nil
}

// traceRequest is for sessions; nil where nothing is traced.
func (s *server) traceRequest() func(session, request string, symbols int) func() {
	if s.tracer == nil {
		return nil
	}
	return func(session, request string, symbols int) func() {
		return s.tracer.Sampled(request, attribute.String("session", session), attribute.Int("symbols", symbols))
	}
}

// tracePolicy traces apply, which takes the policy in force to all sessions.
func (s *server) tracePolicy(revision uint64, apply func()) {
	_, end := s.tracer.Span(context.Background(), "policy.apply",
		attribute.Int64("revision", int64(revision)), attribute.Int("sessions", s.clients().Connections))
	apply()
	end(nil)
}

// noteLateness leaves a record of what was before a cut that came too late.
func (s *server) noteLateness(late time.Duration, now time.Time) {
	if s.flight != nil && late >= s.options.Flight.Late {
		s.flight.Late(late, now)
	}
}

// serveFlight answers with the record of the last moments.
func (s *server) serveFlight(w http.ResponseWriter, _ *http.Request) {
	if s.flight == nil {
		http.Error(w, "nothing is recorded: set flight.late", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="feedd.trace"`)
	if _, err := s.flight.WriteTo(w); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		s.options.log.Warn("the record of the last moments was not sent whole", "error", err)
	}
}
