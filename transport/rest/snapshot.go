package rest

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/transport/params"
)

// Bounds of GET /v1/snapshot. A snapshot that is larger than small keeps its turn until it is written, so that slow
// readers cannot make memory grow.
const (
	MaxSnapshot   = 16 << 20 // bytes of rows
	AtATime       = 4
	waitForTurn   = time.Second
	smallSnapshot = 64 << 10
	writeWithin   = 20 * time.Second
	worthwhile    = 512 // bytes from which compression pays
)

const protobufType = "application/x-protobuf"

// Taker takes snapshots, as session.Env does.
type Taker interface {
	// Snapshot returns a ServerFrame with the results of a subscribe by who, and the rows that it begins with. It fails
	// with a session.Refusal, or with a fanout.TooLargeError for more than limit bytes of rows.
	Snapshot(who *entitlement.Identity, m *feedv1.Subscribe, e fanout.Encoding, limit int) ([]byte, error)
}

// snapshots serves GET /v1/snapshot.
type snapshots struct {
	taker  Taker
	access Access
	turns  chan struct{}
}

// Snapshot answers GET /v1/snapshot with what a subscription with the same parameters would begin with: one
// feed.v1.ServerFrame, as JSON or, where the client accepts application/x-protobuf, in protobuf.
func Snapshot(t Taker, a Access) http.Handler {
	s := &snapshots{taker: t, access: a, turns: make(chan struct{}, AtATime)}
	return readOnly(s.serve)
}

func (s *snapshots) serve(w http.ResponseWriter, r *http.Request) {
	ask, err := parseSnapshot(r.URL.RawQuery)
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	who := identify(s.access, w, r)
	if who == nil {
		return
	}
	if !s.enter(r.Context()) {
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, "too many snapshots are asked for at once: try again in a second")
		return
	}
	leave := sync.OnceFunc(func() { <-s.turns })
	defer leave()
	encoding, kind := fanout.JSON, "application/json"
	if accepts(r.Header.Get("Accept"), protobufType, "application/protobuf") {
		encoding, kind = fanout.Proto, protobufType
	}
	body, err := s.taker.Snapshot(who, ask, encoding, MaxSnapshot)
	if err != nil {
		refuse(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept, Accept-Encoding, Authorization")
	if len(body) >= worthwhile && accepts(r.Header.Get("Accept-Encoding"), "gzip", "*") {
		h.Set("Content-Encoding", "gzip")
		body = compress(body)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if len(body) <= smallSnapshot {
		leave()
	}
	// Not every ResponseWriter has deadlines; a connection of net/http does.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeWithin))
	_, _ = w.Write(body) // fails for a client that is gone
}

// enter waits for a turn, and reports whether there is one.
func (s *snapshots) enter(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, waitForTurn)
	defer cancel()
	select {
	case s.turns <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// refuse says why there is no snapshot.
func refuse(w http.ResponseWriter, err error) {
	var refusal *session.Refusal
	var large *fanout.TooLargeError
	switch {
	case errors.As(err, &large):
		fail(w, http.StatusBadRequest, "the snapshot has more than %d MB: ask for fewer symbols or channels, or for books of a depth", large.Limit>>20)
	case !errors.As(err, &refusal):
		fail(w, http.StatusInternalServerError, "%v", err)
	case refusal.Code == feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL, refusal.Code == feedv1.ErrorCode_ERROR_CODE_NO_MATCH:
		fail(w, http.StatusNotFound, "%v", refusal)
	case refusal.Code == feedv1.ErrorCode_ERROR_CODE_NOT_ENTITLED:
		fail(w, http.StatusForbidden, "%v", refusal)
	default:
		fail(w, http.StatusBadRequest, "%v", refusal)
	}
}

// parseSnapshot reads the parameters. Those of a subscribe that have bounds of their own are checked with it.
func parseSnapshot(rawQuery string) (*feedv1.Subscribe, error) {
	p := params.New(rawQuery)
	m := p.Subscribe()
	return m, p.End()
}

// accepts reports whether an Accept header names one of kinds without refusing it. Weights other than 0 do not count:
// who names protobuf can read it.
func accepts(header string, kinds ...string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		for _, kind := range kinds {
			if q, err := strconv.ParseFloat(weight["q"], 64); name == kind && (err != nil || q > 0) {
				return true
			}
		}
	}
	return false
}

// writers keeps what compression needs: a megabyte, most of it tables.
var writers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // cannot fail for this level
	return w
}}

func compress(body []byte) []byte {
	var out appender
	w := writers.Get().(*gzip.Writer)
	w.Reset(&out)
	_, _ = w.Write(body) // writing to memory cannot fail
	_ = w.Close()
	writers.Put(w)
	return out
}

// appender is a slice to write to.
type appender []byte

func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}
