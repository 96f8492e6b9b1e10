package session

import (
	"slices"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/throttle"
)

// maxLive patterns and lists a session may hold.
const maxLive = 64

// live is the patterns and lists of a session that instruments may still join. A nil one has none: most sessions name
// symbols, and there are tens of thousands of them.
type live struct {
	patterns []livePattern // at most maxLive
	// Handles that the client has unsubscribed by themselves: they join nothing until it asks for them again. At
	// most as many as subscriptions, the oldest first to go.
	away []fanout.Handle
}

// livePattern is a pattern or list as it was subscribed.
type livePattern struct {
	text       string
	wishes     []channelWish
	wish       throttle.Wish
	timeliness timelinessWish
	full       bool // the client knows that instruments were left out
}

// all returns the patterns.
func (l *live) all() []livePattern {
	if l == nil {
		return nil
	}
	return l.patterns
}

// isAway reports whether a handle is kept away.
func (l *live) isAway(handle fanout.Handle) bool { return l != nil && slices.Contains(l.away, handle) }

// find returns where the pattern is that stands for the same text, channels and views; -1: nowhere.
func (l *live) find(p *livePattern) int {
	sameView := func(a, b channelWish) bool { return a.channel == b.channel && a.view == b.view }
	return slices.IndexFunc(l.all(), func(q livePattern) bool { return q.text == p.text && slices.EqualFunc(q.wishes, p.wishes, sameView) })
}

// room reports whether a pattern can be added.
func (l *live) room(p *livePattern) bool { return len(l.all()) < maxLive || l.find(p) >= 0 }

// add takes in a pattern for which there is room, in place of the same one from before.
func (l *live) add(p livePattern) {
	if i := l.find(&p); i >= 0 {
		l.patterns[i] = p
		return
	}
	l.patterns = append(l.patterns, p)
}

// end ends the patterns of these texts, and returns the texts that have none.
func (l *live) end(texts []string) (notLive []string) {
	if l == nil {
		return texts
	}
	for _, text := range texts {
		before := len(l.patterns)
		l.patterns = slices.DeleteFunc(l.patterns, func(p livePattern) bool { return p.text == text })
		if len(l.patterns) == before {
			notLive = append(notLive, text)
		}
	}
	return notLive
}

// keepAway notes handles that were unsubscribed by themselves. There is room again, so that what is left out from
// now on is told anew.
func (l *live) keepAway(handles []fanout.Handle, limit int) {
	if len(l.all()) == 0 {
		return
	}
	l.away = append(l.away, handles...)
	if beyond := len(l.away) - limit; beyond > 0 {
		l.away = slices.Delete(l.away, 0, beyond)
	}
	for i := range l.patterns {
		l.patterns[i].full = false
	}
}

// welcome notes that a handle was subscribed.
func (l *live) welcome(handle fanout.Handle) {
	if l.isAway(handle) {
		i := slices.Index(l.away, handle)
		l.away = slices.Delete(l.away, i, i+1)
	}
}

// rewish sets the wish of all that is to join.
func (l *live) rewish(w throttle.Wish) {
	for i := range l.all() {
		l.patterns[i].wish = w
	}
}
