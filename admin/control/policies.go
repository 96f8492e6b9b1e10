package control

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/feedd/feedd/policy"
)

// nodesWithin bounds how long a status waits for what other nodes say.
const nodesWithin = time.Second

// statusBody is policy.Status as it is answered.
type statusBody struct {
	policy.Status
	Nodes []policy.Node `json:"nodes"`
}

func (a *api) status() statusBody {
	ctx, cancel := context.WithTimeout(context.Background(), nodesWithin)
	defer cancel()
	nodes, _ := a.Policies.Nodes(ctx) // those that can be heard of
	s := statusBody{a.Policies.Status(), nodes}
	s.Version.Before = "" // it is a version of its own, in the history
	return s
}

func (a *api) policy(_ http.ResponseWriter, r *http.Request) (any, error) {
	if strings.Contains(r.Header.Get("Accept"), "application/yaml") {
		return raw{"application/yaml", a.Policies.Status().Version.Text}, nil
	}
	return a.status(), nil
}

func (a *api) schema(http.ResponseWriter, *http.Request) (any, error) {
	return raw{"application/schema+json", policy.Schema}, nil
}

func (a *api) history(_ http.ResponseWriter, r *http.Request) (any, error) {
	versions, err := a.Policies.History(r.Context())
	for i := range versions {
		versions[i].Text, versions[i].Before = "", ""
	}
	return map[string]any{"versions": versions}, err
}

func revisionOf(text string) (uint64, error) {
	revision, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, failf(http.StatusBadRequest, "revision %q: want a number", clip(text))
	}
	return revision, nil
}

func (a *api) version(_ http.ResponseWriter, r *http.Request) (any, error) {
	revision, err := revisionOf(r.PathValue("revision"))
	if err != nil {
		return nil, err
	}
	v, err := a.Policies.Version(r.Context(), revision)
	v.Before = ""
	return v, err
}

// verdict is what is said of a policy that is not in force.
type verdict struct {
	Valid    bool            `json:"valid"`
	Problems policy.Problems `json:"problems"`
	Effect   *Effect         `json:"effect,omitempty"`
}

func (a *api) judge(r *http.Request) (*policy.Document, verdict, error) {
	text, err := body(r)
	if err != nil {
		return nil, verdict{}, err
	}
	d, err := policy.Parse([]byte(text))
	if err == nil {
		return d, verdict{Valid: true, Problems: policy.Problems{}}, nil
	}
	return nil, verdict{Problems: policy.ProblemsOf(err)}, nil
}

func (a *api) validate(_ http.ResponseWriter, r *http.Request) (any, error) {
	_, v, err := a.judge(r)
	return v, err
}

func (a *api) dryRun(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, v, err := a.judge(r)
	if d != nil {
		effect := a.Node.Preview(d)
		v.Effect = &effect
	}
	return v, err
}

func (a *api) explain(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := policy.Parse([]byte(a.Policies.Status().Version.Text))
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	e, err := d.Explain(a.Clock(), q.Get("tier"), q.Get("symbol"), q.Get("channel"), q.Get("cadence_ms"), q.Get("depth"))
	if err != nil {
		return nil, failf(http.StatusBadRequest, "%v", err)
	}
	return e, nil
}

// apply is for operators too while it is temporary.
func (a *api) apply(r *http.Request, w policy.Write) (target string, err error) {
	if w.Expected, err = ifMatch(r); err != nil {
		return "", err
	}
	if w.For, err = duration(r.URL.Query().Get("for")); err != nil {
		return "", err
	}
	if w.For == 0 && callerOf(r).role < Admin {
		return "", failf(http.StatusForbidden, "an operator's changes are temporary: add ?for=DURATION, such as 15m")
	}
	text, err := body(r)
	if err != nil {
		return "", err
	}
	target = "in place of " + strconv.FormatUint(w.Expected, 10)
	if w.For > 0 {
		target += fmt.Sprintf(" for %v", w.For)
	}
	return target, a.Policies.Apply(r.Context(), text, w)
}

func (a *api) rollback(r *http.Request, w policy.Write) (target string, err error) {
	if w.Expected, err = ifMatch(r); err != nil {
		return "", err
	}
	var m struct {
		Revision uint64 `json:"revision"`
	}
	if err := decode(r, &m); err != nil {
		return "", err
	}
	return strconv.FormatUint(m.Revision, 10), a.Policies.Rollback(r.Context(), m.Revision, w)
}

func (a *api) stop(r *http.Request, w policy.Write) (target string, err error) {
	var m StopRequest
	if err := decode(r, &m); err != nil {
		return "", err
	}
	lasts, err := duration(m.For)
	if err != nil {
		return "", err
	}
	now := a.Clock().UTC()
	s := &policy.Stop{Name: m.Name, Symbols: m.Symbols, Tiers: m.Tiers, Channels: m.Channels, Reason: w.Reason}
	if lasts > 0 {
		s.Until = &policy.Time{Time: now.Add(lasts).Truncate(time.Second)}
	}
	if s.Name == "" {
		s.Name = "stop-" + now.Format("20060102-150405.000")
	}
	return s.Name + " " + strings.Join(slices.Concat(s.Symbols, s.Tiers), " "), a.Policies.Stop(r.Context(), s, w)
}

func (a *api) release(r *http.Request, w policy.Write) (target string, err error) {
	name := r.PathValue("name")
	return name, a.Policies.Release(r.Context(), name, w)
}
