package session

import (
	"slices"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/throttle"
)

// maxLive patterns and lists a session may hold.
const maxLive = 64

// live is the patterns and lists of a session that instruments may still join.
type live struct {
	patterns []livePattern // at most maxLive
	// Handles that the client has unsubscribed by themselves: they join nothing until it asks for them again. At
	// most as many as subscriptions, the oldest first to go.
	away []fanout.Handle
}

// livePattern is a pattern or list as it was subscribed.
type livePattern struct {
	text   string
	wishes []channelWish
	wish   throttle.Wish
	full   bool // the client knows that instruments were left out
}

// room reports whether a pattern of this text can be added.
func (l *live) room(text string) bool {
	return len(l.patterns) < maxLive || slices.ContainsFunc(l.patterns, func(p livePattern) bool { return p.text == text })
}

// add takes in a pattern, or changes the one that has the same text and channels. Beyond maxLive, the oldest one of
// the same text goes.
func (l *live) add(p livePattern) {
	same := func(q livePattern) bool { return q.text == p.text && slices.Equal(q.wishes, p.wishes) }
	if i := slices.IndexFunc(l.patterns, same); i >= 0 {
		l.patterns[i] = p
		return
	}
	if len(l.patterns) >= maxLive {
		l.patterns = slices.Delete(l.patterns, l.oldest(p.text), l.oldest(p.text)+1)
	}
	l.patterns = append(l.patterns, p)
}

func (l *live) oldest(text string) int {
	return slices.IndexFunc(l.patterns, func(p livePattern) bool { return p.text == text })
}

// end ends the patterns of these texts, and returns the texts that have none.
func (l *live) end(texts []string) (notLive []string) {
	for _, text := range texts {
		before := len(l.patterns)
		l.patterns = slices.DeleteFunc(l.patterns, func(p livePattern) bool { return p.text == text })
		if len(l.patterns) == before {
			notLive = append(notLive, text)
		}
	}
	if len(l.patterns) == 0 {
		*l = live{}
	}
	return notLive
}

// keepAway notes handles that were unsubscribed by themselves. There is room again, so that what is left out from
// now on is told anew.
func (l *live) keepAway(handles []fanout.Handle, limit int) {
	if len(l.patterns) == 0 {
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
	if i := slices.Index(l.away, handle); i >= 0 {
		l.away = slices.Delete(l.away, i, i+1)
	}
}

// rewish sets the wish of all that is to join.
func (l *live) rewish(w throttle.Wish) {
	for i := range l.patterns {
		l.patterns[i].wish = w
	}
}
