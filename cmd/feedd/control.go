package main

import (
	"cmp"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/feedd/feedd/admin/control"
	"github.com/feedd/feedd/internal/audit"
	"github.com/feedd/feedd/internal/build"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/policy"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/throttle"
)

// control makes the admin API.
func (s *server) control() (http.Handler, error) {
	access, err := control.OpenAccess(s.options.Admin.Tokens, s.options.log)
	if err != nil {
		return nil, usagef("cannot use the tokens of --admin-tokens: %w", err)
	}
	path := ""
	if s.options.dataDir != "" {
		path = filepath.Join(s.options.dataDir, "audit.jsonl")
	}
	record, err := audit.Open(path, s.options.log)
	if err != nil {
		return nil, err
	}
	return control.Handler(control.Options{
		Policies: s.policy, Node: operated{s}, Name: s.nodeName(), Access: access, Audit: record, Clock: time.Now, Log: s.options.log,
	}), nil
}

// operated is the server as the admin API sees it.
type operated struct{ *server }

var _ control.Node = operated{}

func (n operated) Overview() control.Overview {
	clients, sent, in, census := n.clients(), n.engine.Stats(), n.feed.Stats(), n.engine.Census()
	o := control.Overview{
		Server: "feedd " + build.Version(), Started: n.began, Draining: n.draining.Load(),
		Sessions:    control.SessionCount{Blocked: census.Blocked, ByTier: map[string]int{}, Slowed: map[string]int{"congestion": 0, "bandwidth": 0, "lag": 0}},
		Instruments: in.Instruments, NATSConnected: in.Connected, Sources: n.sources(),
		Totals: control.Totals{
			Frames: sent.Frames, Bytes: sent.Bytes, Ticks: map[string]uint64{}, Gaps: in.Gaps, CutLatenessMaxMS: float64(sent.LatestCut) / 1e6,
			ConnectionsOpened: clients.ConnectionsOpened, ConnectionsClosed: map[string]uint64{}, Drops: map[string]uint64{},
		},
	}
	n.eachSession(func(x *session.Session) {
		o.Sessions.Open++
		o.Sessions.ByTier[x.Tier()]++
		if e := x.Easing(); e.Floor != throttle.Immediate {
			o.Sessions.Slowed[slowedNames[e.Reason]]++
		}
	})
	for _, r := range census.Rungs {
		o.Lanes = append(o.Lanes, control.Lanes{
			Cadence: r.Cadence.String(), IntervalMS: r.Cadence.Interval().Milliseconds(), Lanes: r.Lanes, Lagging: r.Lagging, Views: r.Views, Cohorts: r.Cohorts,
		})
	}
	for ch, count := range in.Ticks {
		o.Totals.Ticks[ch.String()] = count
	}
	for code, count := range clients.ConnectionsClosed {
		o.Totals.ConnectionsClosed[strconv.Itoa(int(code))] = count
	}
	for r := range drop.Reasons {
		o.Totals.Drops[r.String()] = n.drops.Count(r)
	}
	return o
}

func (n operated) sources() []control.Source {
	all := []control.Source{}
	for name, st := range n.store.Sources() {
		all = append(all, control.Source{Name: name, Stream: streamNames[st.Stream], Quality: qualityNames[st.Quality], Reason: st.Reason})
	}
	slices.SortFunc(all, func(a, b control.Source) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

var (
	streamNames  = map[market.Stream]string{market.StreamOpen: "open", market.StreamClosed: "closed", market.StreamClosedRetry: "closed, retry"}
	qualityNames = map[market.Quality]string{market.QualityOK: "ok", market.QualitySuspect: "suspect", market.QualitySyncing: "syncing"}
)

var slowedNames = map[throttle.Reason]string{
	throttle.ReasonCongestion: "congestion", throttle.ReasonBandwidth: "bandwidth", throttle.ReasonLag: "lag",
}

func (n operated) Sessions(tier string) (all []control.Session) {
	n.eachSession(func(x *session.Session) {
		if tier == "" || x.Tier() == tier {
			all = append(all, describe(x.Describe()))
		}
	})
	return all
}

func describe(d session.Description) control.Session {
	c := control.Session{
		ID: d.ID, Tier: d.Tier, Subject: d.User, Client: d.Client, Remote: d.Remote, Transport: d.Transport, Encoding: "proto", Opened: d.Opened.UTC(), Busy: d.Busy,
		Subscriptions: d.Subscriptions, Instruments: d.Instruments, Patterns: d.Patterns, Cadences: map[string]int{},
		Frames: d.Load.Frames, Bytes: d.Load.Bytes, BytesPerS: d.Rate.Bytes, Ceiling: d.Ceiling, Blocked: d.Blocked,
	}
	if d.JSON {
		c.Encoding = "json"
	}
	if e := d.Easing; e.Floor != throttle.Immediate {
		c.Slowed = &control.Slowed{Reason: slowedNames[e.Reason], Floor: e.Floor.String(), Since: time.UnixMicro(e.Since).UTC()}
	}
	for cadence, count := range d.Cadences {
		c.Cadences[cadence.String()] = count
	}
	return c
}

func (n operated) Cut(id, reason string) (found bool) {
	n.eachSession(func(x *session.Session) {
		if x.ID() == id {
			found = true
			x.Cut(reason)
		}
	})
	return found
}

func (n operated) Preview(d *policy.Document) control.Effect {
	var e session.Effect
	p := d.Compile(0, time.Now())
	n.eachSession(func(x *session.Session) { x.Preview(p, &e) })
	all := control.Effect{
		Sessions: e.Sessions, Subscriptions: e.Subscriptions, Lanes: e.Lanes, OfSessions: e.OfSessions, OfLanes: e.OfLanes, NotLookedAt: e.NotLookedAt,
		Withdrawn: e.Withdrawn, Replaced: e.Replaced, Moves: []control.Move{},
		Frames: control.Traffic{Now: e.Now.Frames, Then: e.Then.Frames}, Bytes: control.Traffic{Now: e.Now.Bytes, Then: e.Then.Bytes},
	}
	for m, moved := range e.Moves {
		all.Moves = append(all.Moves, control.Move{
			Tier: m.Tier, From: m.From.String(), To: m.To.String(), Subscriptions: moved.Subscriptions, Sessions: moved.Sessions,
		})
	}
	slices.SortFunc(all.Moves, func(a, b control.Move) int {
		return cmp.Or(b.Subscriptions-a.Subscriptions, cmp.Compare(a.Tier, b.Tier), cmp.Compare(a.From, b.From))
	})
	return all
}

func (n operated) Drain(string) {
	select {
	case n.quit <- struct{}{}:
	default: // it is about to already
	}
}
