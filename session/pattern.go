package session

import (
	"fmt"
	"strings"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// listMark begins the name of a list where a symbol could stand. No venue begins with it.
const listMark = "@"

// isPattern reports whether text stands for several instruments: it is a pattern, or names a list.
func isPattern(text string) bool {
	return strings.Contains(text, "*") || strings.HasPrefix(text, listMark)
}

// pattern subscribes the channels of all instruments that fit a pattern or stand in a list, and has those join that
// will.
func (r *request) pattern(text string) {
	p := livePattern{text: text, wish: r.wish, timeliness: r.timeliness}
	for _, w := range r.channels {
		if w.code != 0 {
			r.refusePair(text, w, w.code, w.text)
			continue
		}
		p.wishes = append(p.wishes, w)
	}
	if len(p.wishes) == 0 {
		return
	}
	left := r.tier().SymbolsPerRequest - r.matches
	ids, code, why := r.match(&p, left)
	if code != 0 {
		for _, w := range p.wishes {
			r.refusePair(text, w, code, why)
		}
		if code != feedv1.ErrorCode_ERROR_CODE_NO_MATCH {
			return
		}
	}
	beyond := len(ids) > left
	ids = ids[:min(left, len(ids))]
	r.matches += len(ids)
	out, full := make([]int, len(p.wishes)), "" // matches left out, by channel
	barred := make([]int, len(p.wishes))
	for _, id := range ids {
		symbol := r.env.instrument(id).Symbol.String()
		for i, w := range p.wishes {
			switch code, why := r.acceptPair(id, symbol, w, text); code {
			case 0:
			case tooMany:
				out[i]++
				full = why
			default:
				barred[i]++
			}
		}
	}
	for i, w := range p.wishes {
		if out[i] > 0 {
			r.refusePair(text, w, feedv1.ErrorCode_ERROR_CODE_TOO_MANY_SUBSCRIPTIONS, fmt.Sprintf("%d of the %d matches were left out: %s", out[i], len(ids), full))
		}
		if barred[i] > 0 {
			r.refusePair(text, w, feedv1.ErrorCode_ERROR_CODE_NOT_ENTITLED, fmt.Sprintf("%d of the %d matches were left out: %s", barred[i], len(ids), r.closedTo(w.name)))
		}
		if beyond {
			r.refusePair(text, w, feedv1.ErrorCode_ERROR_CODE_TOO_MANY_SYMBOLS, fmt.Sprintf("more matches than the %d that one request may name: those behind the last result were left out; narrow the pattern", r.tier().SymbolsPerRequest))
		}
	}
	p.full = full != ""
	if r.live == nil {
		r.live = new(live)
	}
	r.live.add(p)
}

// match returns up to limit+1 instruments that fit, or why not. With NO_MATCH the pattern is in order all the same.
func (r *request) match(p *livePattern, limit int) ([]market.InstrumentID, feedv1.ErrorCode, string) {
	text := p.text
	r.patterns++
	switch {
	case len(text) > market.MaxSymbolLen:
		return nil, feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, fmt.Sprintf("pattern of %d bytes: at most %d are allowed", len(text), market.MaxSymbolLen)
	case r.patterns > maxPatterns:
		return nil, feedv1.ErrorCode_ERROR_CODE_TOO_MANY_SYMBOLS, fmt.Sprintf("at most %d patterns and lists are allowed in one request", maxPatterns)
	case r.patterns > 1 && !r.allow(r.env.Clock()):
		return nil, feedv1.ErrorCode_ERROR_CODE_TOO_MANY_REQUESTS, "too many patterns in too short a time: each counts as a request"
	case !r.live.room(p):
		return nil, feedv1.ErrorCode_ERROR_CODE_TOO_MANY_SUBSCRIPTIONS, fmt.Sprintf("the session holds its %d patterns and lists; unsubscribe some of these patterns first", maxLive)
	}
	if name, ok := strings.CutPrefix(text, listMark); ok {
		return r.matchList(name, limit)
	}
	ids := r.directory().Match(text, limit+1)
	if len(ids) == 0 {
		return nil, feedv1.ErrorCode_ERROR_CODE_NO_MATCH, fmt.Sprintf("pattern %q fits no instrument yet, and those that come to fit will join; it is compared with venue:NAME, case included", text)
	}
	return ids, 0, ""
}

func (r *request) matchList(name string, limit int) ([]market.InstrumentID, feedv1.ErrorCode, string) {
	entries, ok := r.env.list(name)
	if !ok {
		text := fmt.Sprintf("list %q is not known here", listMark+name)
		if r.env.Lists == nil || len(r.env.Lists.Names()) == 0 {
			text += ": this server has no lists"
		} else if near := nearest(name, r.env.Lists.Names()); near != "" {
			text += fmt.Sprintf("; did you mean %q?", listMark+near)
		}
		return nil, feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL, text
	}
	ids := matchEntries(r.directory(), entries, limit+1)
	if len(ids) == 0 {
		return nil, feedv1.ErrorCode_ERROR_CODE_NO_MATCH, fmt.Sprintf("list %q names no instrument that is known yet; those that come to be known will join", listMark+name)
	}
	return ids, 0, ""
}

func (e *Env) list(name string) ([]string, bool) {
	if e.Lists == nil {
		return nil, false
	}
	return e.Lists.Entries(name)
}

// matchEntries returns at most limit instruments of a list, each once, in the order of the list.
func matchEntries(d Directory, entries []string, limit int) (ids []market.InstrumentID) {
	seen := make(map[market.InstrumentID]bool)
	add := func(id market.InstrumentID) {
		if !seen[id] && len(ids) < limit {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, entry := range entries {
		if strings.Contains(entry, "*") {
			for _, id := range d.Match(entry, limit) {
				add(id)
			}
			continue
		}
		sym, err := market.ParseSymbol(entry)
		if id, known := d.Lookup(sym); err == nil && known && !d.Instrument(id).Delisted {
			add(id)
		}
	}
	return ids
}
