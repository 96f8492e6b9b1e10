package control

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/feedd/feedd/policy"
)

func (a *api) whoami(_ http.ResponseWriter, r *http.Request) (any, error) {
	c := callerOf(r)
	return map[string]string{"name": c.name, "role": c.role.String()}, nil
}

func (a *api) overview(http.ResponseWriter, *http.Request) (any, error) {
	o := a.Node.Overview()
	s := a.Policies.Status()
	o.Time, o.Node = a.Clock().UTC(), a.Name
	o.Policy = PolicyLine{Revision: s.Version.Revision, Source: s.Source, Stale: s.Stale, Refused: s.Refused != nil, Expires: s.Version.Expires}
	return o, nil
}

// limit reads how many are wanted.
func limit(r *http.Request, usual, most int) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, failf(http.StatusBadRequest, "limit %q: want 1 to %d", clip(text), most)
	}
	return n, nil
}

// orders are those of a list of sessions, the most first.
var orders = map[string]func(a, b *Session) int{
	"bytes":         func(a, b *Session) int { return cmp.Compare(b.BytesPerS, a.BytesPerS) },
	"subscriptions": func(a, b *Session) int { return cmp.Compare(b.Subscriptions, a.Subscriptions) },
	"opened":        func(a, b *Session) int { return b.Opened.Compare(a.Opened) },
	"blocked": func(a, b *Session) int {
		troubled := func(s *Session) int {
			switch {
			case s.Blocked:
				return 2
			case s.Slowed != nil:
				return 1
			}
			return 0
		}
		return cmp.Compare(troubled(b), troubled(a))
	},
}

func (a *api) sessions(_ http.ResponseWriter, r *http.Request) (any, error) {
	most, err := limit(r, 100, 10_000)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	order := orders[cmp.Or(q.Get("sort"), "bytes")]
	if order == nil {
		return nil, failf(http.StatusBadRequest, "sort %q: want bytes, subscriptions, opened or blocked", clip(q.Get("sort")))
	}
	all := a.Node.Sessions(q.Get("tier"))
	slices.SortFunc(all, func(x, y Session) int { return cmp.Or(order(&x, &y), cmp.Compare(x.ID, y.ID)) })
	return map[string]any{"total": len(all), "sessions": slices.Concat([]Session{}, all[:min(most, len(all))])}, nil
}

func (a *api) session(_ http.ResponseWriter, r *http.Request) (any, error) {
	for _, s := range a.Node.Sessions("") {
		if s.ID == r.PathValue("id") {
			return s, nil
		}
	}
	return nil, policy.ErrNotFound
}

func (a *api) cut(r *http.Request, w policy.Write) (target string, err error) {
	id := r.PathValue("id")
	if !a.Node.Cut(id, w.Reason) {
		return id, policy.ErrNotFound
	}
	return id, nil
}

func (a *api) drain(_ *http.Request, w policy.Write) (target string, err error) {
	a.Node.Drain(w.Reason)
	return a.Name, nil
}

func (a *api) nodes(_ http.ResponseWriter, r *http.Request) (any, error) {
	nodes, err := a.Policies.Nodes(r.Context())
	if len(nodes) > 0 {
		err = nil // this one at least
	}
	return map[string]any{"nodes": nodes, "loads": a.Node.Loads()}, err
}

func (a *api) audit(_ http.ResponseWriter, r *http.Request) (any, error) {
	most, err := limit(r, 100, 1000)
	return map[string]any{"entries": a.Audit.Recent(most)}, err
}
