package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/feedd/feedd/internal/audit"
	"github.com/feedd/feedd/policy"
)

// Options of the API.
type Options struct {
	Policies Policies
	Node     Node
	Name     string // of this node
	Access   *Access
	Audit    *audit.Log
	Clock    func() time.Time
	Log      *slog.Logger
}

type api struct {
	Options
	mux *http.ServeMux
}

// Handler serves /v1/ of the admin listener.
func Handler(o Options) http.Handler {
	a := &api{o, http.NewServeMux()}
	a.handle("GET /v1/whoami", a.whoami)
	a.handle("GET /v1/overview", a.overview)
	a.handle("GET /v1/sessions", a.sessions)
	a.handle("GET /v1/sessions/{id}", a.session)
	a.handle("GET /v1/nodes", a.nodes)
	a.handle("GET /v1/audit", a.audit)
	a.handle("GET /v1/usage", a.usage)
	a.handle("GET /v1/policy", a.policy)
	a.handle("GET /v1/policy/schema", a.schema)
	a.handle("GET /v1/policy/history", a.history)
	a.handle("GET /v1/policy/history/{revision}", a.version)
	a.handle("GET /v1/policy/explain", a.explain)
	a.handle("POST /v1/policy/validate", a.validate)
	a.handle("POST /v1/policy/dry-run", a.dryRun)

	a.write("PUT /v1/policy", Operator, "policy.apply", a.apply)
	a.write("POST /v1/policy/rollback", Admin, "policy.rollback", a.rollback)
	a.write("POST /v1/policy/stops", Operator, "policy.stop", a.stop)
	a.write("DELETE /v1/policy/stops/{name}", Operator, "policy.release", a.release)
	a.write("DELETE /v1/sessions/{id}", Operator, "session.cut", a.cut)
	a.write("POST /v1/revocations", Operator, "access.revoke", a.revoke)
	a.write("POST /v1/drain", Admin, "node.drain", a.drain)
	return a.mux
}

// failure is an error that becomes an answer.
type failure struct {
	status int
	body   errorBody
}

type errorBody struct {
	Error    string          `json:"error"`
	Problems policy.Problems `json:"problems,omitempty"`
	Current  *statusBody     `json:"current,omitempty"`
}

func (f *failure) Error() string { return f.body.Error }

func failf(status int, format string, args ...any) error {
	return &failure{status, errorBody{Error: fmt.Sprintf(format, args...)}}
}

// handle answers requests of whoever has a role with what f returns, as JSON.
func (a *api) handle(pattern string, f func(w http.ResponseWriter, r *http.Request) (any, error)) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c, err := a.admit(r, Viewer)
		var body any
		if err == nil {
			body, err = f(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
		}
		a.answer(w, body, err)
	})
}

type callerKey struct{}

func callerOf(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

func (a *api) admit(r *http.Request, least Role) (caller, error) {
	c, status, text := a.Access.identify(r)
	switch {
	case status != 0:
		return c, failf(status, "%s", text)
	case c.role < least:
		return c, failf(http.StatusForbidden, "%s is %s: this takes %s", c.name, c.role, least)
	}
	return c, nil
}

// write is handle for what changes something: it needs a reason, and it goes into the audit, whatever comes of it. (What nobody in
// particular tries goes to the log: they must not fill the disk.) f returns what it was done to.
func (a *api) write(pattern string, least Role, action string, f func(r *http.Request, w policy.Write) (target string, err error)) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c, err := a.admit(r, least)
		reason := strings.TrimSpace(r.URL.Query().Get("reason"))
		target := r.PathValue("id") + r.PathValue("name")
		if err == nil {
			err = checkReason(reason)
		}
		if err == nil {
			target, err = f(r.WithContext(context.WithValue(r.Context(), callerKey{}, c)), policy.Write{Actor: c.name, Reason: reason})
		}
		var refused *failure
		err = a.translate(err)
		e := audit.Entry{
			Time: a.Clock().UTC(), Node: a.Name, Actor: c.name, Role: c.role.String(), Action: action, Target: clip(target), Reason: clip(reason), Outcome: audit.Done,
		}
		if errors.As(err, &refused) {
			e.Outcome, e.Detail = audit.Refused, clip(refused.body.Error)
		}
		if c.role == Nobody {
			a.Log.Warn("admin API: a write by nobody", slog.String("remote", r.RemoteAddr), slog.String("action", action))
		} else {
			a.Audit.Add(e)
		}
		a.answer(w, a.status(), err)
	})
}

const maxReason = 500

func checkReason(reason string) error {
	switch {
	case reason == "":
		return failf(http.StatusPreconditionRequired, "say why, for the record: ?reason=TEXT")
	case len(reason) > maxReason:
		return failf(http.StatusBadRequest, "a reason of %d bytes: at most %d are allowed", len(reason), maxReason)
	}
	return nil
}

// clip bounds what callers can make the audit hold.
func clip(text string) string {
	if len(text) <= maxReason {
		return text
	}
	return strings.ToValidUTF8(text[:maxReason], "") + "…"
}

// translate makes a failure of any error.
func (a *api) translate(err error) error {
	var (
		known    *failure
		problems policy.Problems
		conflict *policy.ConflictError
	)
	status := http.StatusInternalServerError
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.As(err, &problems):
		return &failure{http.StatusUnprocessableEntity, errorBody{Error: "the policy is refused; the running one stays", Problems: problems}}
	case errors.As(err, &conflict):
		now := a.status()
		return &failure{http.StatusPreconditionFailed, errorBody{Error: conflict.Error(), Current: &now}}
	case errors.Is(err, policy.ErrReadOnly):
		status = http.StatusConflict
	case errors.Is(err, policy.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		status = http.StatusServiceUnavailable
	case errors.Is(err, policy.ErrNotFound):
		status = http.StatusNotFound
	default:
		a.Log.Error("admin API", slog.Any("err", err))
	}
	return failf(status, "%v", err)
}

func (a *api) answer(w http.ResponseWriter, body any, err error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	status := http.StatusOK
	var f *failure
	if errors.As(a.translate(err), &f) {
		if f.status == http.StatusUnauthorized {
			h.Set("WWW-Authenticate", `Bearer realm="feedd admin"`)
		}
		status, body = f.status, f.body
	}
	switch body := body.(type) {
	case raw:
		h.Set("Content-Type", body.kind)
		_, _ = io.WriteString(w, body.text)
		return
	case statusBody:
		h.Set("ETag", etag(body.Newest))
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only where the caller is gone
}

// raw is an answer that is no JSON of ours.
type raw struct{ kind, text string }

func etag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }

// ifMatch returns the revision that a write is a change of.
func ifMatch(r *http.Request) (uint64, error) {
	text := r.Header.Get("If-Match")
	if text == "" {
		return 0, failf(http.StatusPreconditionRequired, "say which revision this is a change of: If-Match, with the ETag of GET /v1/policy")
	}
	revision, err := strconv.ParseUint(strings.Trim(text, `"`), 10, 64)
	if err != nil {
		return 0, failf(http.StatusBadRequest, "If-Match %q: want the ETag of GET /v1/policy", clip(text))
	}
	return revision, nil
}

// duration reads how long something is to last; 0: for good.
func duration(text string) (time.Duration, error) {
	const most = 30 * 24 * time.Hour
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > most {
		return 0, failf(http.StatusBadRequest, "for %q: want a duration from 1s to 720h, such as 15m", clip(text))
	}
	return d, nil
}

// body reads a policy. What is too long is cut, and found to be so by whoever parses it.
func body(r *http.Request) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r.Body, policy.MaxBytes+1))
	if err != nil {
		return "", failf(http.StatusBadRequest, "reading the request: %v", err)
	}
	return string(text), nil
}

// decode reads a small JSON object strictly.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return failf(http.StatusBadRequest, "the body is not what this takes: %v", err)
	}
	return nil
}
