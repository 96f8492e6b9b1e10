package control

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/audit"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/policy"
	"github.com/feedd/feedd/usage"
)

// fakePolicies keeps versions in memory.
type fakePolicies struct {
	versions []policy.Version
	away     bool
}

func (f *fakePolicies) newest() policy.Version {
	if len(f.versions) == 0 {
		return policy.Version{Kind: policy.BuiltIn, Text: policy.BuiltInText}
	}
	return f.versions[len(f.versions)-1]
}

func (f *fakePolicies) Status() policy.Status {
	v := f.newest()
	return policy.Status{Version: v, Newest: v.Revision, Source: "nats", Place: "bucket", Writable: true}
}

func (f *fakePolicies) History(context.Context) ([]policy.Version, error) {
	all := slices.Clone(f.versions)
	slices.Reverse(all)
	return all, nil
}

func (f *fakePolicies) Version(_ context.Context, revision uint64) (policy.Version, error) {
	for _, v := range f.versions {
		if v.Revision == revision {
			return v, nil
		}
	}
	return policy.Version{}, fmt.Errorf("revision %d: %w", revision, policy.ErrNotFound)
}

func (f *fakePolicies) Nodes(context.Context) ([]policy.Node, error) {
	return []policy.Node{{Node: "n1", State: "applied"}}, nil
}

func (f *fakePolicies) put(kind policy.Kind, text string, w policy.Write) error {
	now := f.newest().Revision
	switch {
	case f.away:
		return policy.ErrUnavailable
	case w.Expected != now:
		return &policy.ConflictError{Expected: w.Expected, Current: now}
	}
	v := policy.Version{Revision: now + 1, Kind: kind, Text: text, Actor: w.Actor, Reason: w.Reason}
	if w.For > 0 {
		v.Expires, v.Before = clock().Add(w.For), f.newest().Text
	}
	f.versions = append(f.versions, v)
	return nil
}

func (f *fakePolicies) Apply(_ context.Context, text string, w policy.Write) error {
	if _, err := policy.Parse([]byte(text)); err != nil {
		return err
	}
	return f.put(policy.Apply, text, w)
}

func (f *fakePolicies) Rollback(ctx context.Context, to uint64, w policy.Write) error {
	v, err := f.Version(ctx, to)
	if err != nil {
		return err
	}
	return f.put(policy.Rollback, v.Text, w)
}

func (f *fakePolicies) Stop(_ context.Context, s *policy.Stop, w policy.Write) error {
	text, err := policy.WithStop(f.newest().Text, s)
	if err != nil {
		return err
	}
	w.Expected = f.newest().Revision
	return f.put(policy.Halt, text, w)
}

func (f *fakePolicies) Release(_ context.Context, name string, w policy.Write) error {
	text, err := policy.WithoutStop(f.newest().Text, name)
	if err != nil {
		return err
	}
	w.Expected = f.newest().Revision
	return f.put(policy.Release, text, w)
}

type fakeNode struct {
	sessions []Session
	cut      []string
	drained  string
	revoked  []string
	noTokens bool
	previews int
}

func (n *fakeNode) Loads() []NodeLoad { return []NodeLoad{{Node: "n1", This: true}} }

func (n *fakeNode) Overview() Overview {
	return Overview{Server: "feedd test", Sessions: SessionCount{Open: len(n.sessions)}}
}

func (n *fakeNode) Sessions(tier string) []Session {
	return slices.DeleteFunc(slices.Clone(n.sessions), func(s Session) bool { return tier != "" && s.Tier != tier })
}

func (n *fakeNode) Cut(id, reason string) bool {
	n.cut = append(n.cut, id+": "+reason)
	return slices.ContainsFunc(n.sessions, func(s Session) bool { return s.ID == id })
}

func (n *fakeNode) Preview(*policy.Document) Effect {
	n.previews++
	return Effect{Lanes: 312, Sessions: 104, Moves: []Move{}}
}

func (n *fakeNode) Revoke(_ context.Context, r Revocation, reason string) error {
	if n.noTokens {
		return ErrNoTokens
	}
	n.revoked = append(n.revoked, r.User+r.Token+r.Session+": "+reason)
	return nil
}

func (n *fakeNode) Usage(date string) (usage.Day, []string, error) {
	switch {
	case n.noTokens:
		return usage.Day{}, nil, ErrNoTokens
	case date != "" && date != "2026-01-05":
		return usage.Day{}, nil, fs.ErrNotExist
	}
	line := usage.Line{User: "ada", Venue: "nyse", Channel: market.ChannelQuote, Delay: 15 * time.Minute}
	return usage.Day{Date: "2026-01-05", Rows: []usage.Row{{Line: line, Begun: 2, Peak: 2, Held: 1, Holding: 90 * time.Second}}}, []string{"2026-01-04"}, nil
}

func (n *fakeNode) Drain(reason string) { n.drained = reason }

func clock() time.Time { return time.Date(2026, 1, 5, 14, 30, 0, 0, time.UTC) }

// desk is an API with what it is about.
type desk struct {
	t        *testing.T
	policies *fakePolicies
	node     *fakeNode
	audit    *audit.Log
	handler  http.Handler
}

const tokens = `# operators
victor viewer   vvvvvvvvvvvvvvvv
olga   operator oooooooooooooooo
maria  admin    mmmmmmmmmmmmmmmm
`

func newDesk(t *testing.T, tokens string) *desk {
	t.Helper()
	path := ""
	if tokens != "" {
		path = filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(path, []byte(tokens), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	access, err := OpenAccess(path, log)
	if err != nil {
		t.Fatal(err)
	}
	record, err := audit.Open("", log)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, policies: new(fakePolicies), node: new(fakeNode), audit: record}
	d.handler = Handler(Options{Policies: d.policies, Node: d.node, Name: "n1", Access: access, Audit: record, Clock: clock, Log: log})
	return d
}

// ask sends a request from this machine. Headers are pairs.
func (d *desk) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	d.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = "127.0.0.1:40000", "localhost:8081"
	for i := 0; i < len(headers); i += 2 {
		switch headers[i] {
		case "Host":
			r.Host = headers[i+1]
		case "Remote":
			r.RemoteAddr = headers[i+1]
		default:
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w
}

func (d *desk) want(w *httptest.ResponseRecorder, status int, parts ...string) {
	d.t.Helper()
	if w.Code != status {
		d.t.Errorf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	for _, part := range parts {
		if !strings.Contains(w.Body.String(), part) {
			d.t.Errorf("%q is not in %s", part, w.Body)
		}
	}
}

func as(token string) []string {
	return []string{"Authorization", "Bearer " + strings.Repeat(token[:1], 16)}
}
