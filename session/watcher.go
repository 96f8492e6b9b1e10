package session

// Watcher has sessions look at what is new in the directory and the lists. It belongs to one goroutine.
//
// The directory is asked for its revision rather than listened to: the answer is a number, whatever happened
// meanwhile, and nothing has to be taken back at the end.
type Watcher struct {
	env        *Env
	seen       revisions
	unfinished bool // a session could not take all
}

// NewWatcher returns a watcher of the sessions of env.
func NewWatcher(env *Env) *Watcher { return &Watcher{env: env, seen: env.revisions()} }

// Look refreshes the sessions that each calls its argument with, where there is something new, or where there was and
// one of them could not take all. Call it a few times a second: that is how late instruments join, and a directory that
// changes without end costs each session no more than a look at a time.
func (w *Watcher) Look(each func(func(*Session))) {
	now := w.env.revisions()
	if now == w.seen && !w.unfinished {
		return
	}
	w.seen, w.unfinished = now, false
	each(func(s *Session) {
		if !s.Refresh() {
			w.unfinished = true
		}
	})
}
