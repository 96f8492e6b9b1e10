package ingest

import (
	"context"
	"errors"
	"log/slog"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/drop"
)

// logEvery is the least time between two log lines for one reason, in microseconds.
const logEvery = 1_000_000

// logged is what was said about a reason.
type logged struct {
	at       int64
	once     bool
	silently uint64 // dropped since, without a line
}

// refuse counts n ticks as dropped and says so in the log, at most once a second for each reason.
func (c *core) refuse(r drop.Reason, n int, why string) { c.refuseAt(slog.LevelWarn, r, n, why) }

// refuseAt does so at a level: of what mends itself nobody need be warned.
func (c *core) refuseAt(level slog.Level, r drop.Reason, n int, why string) {
	if c.again {
		return
	}
	c.counters.Add(r, uint64(n))
	l := &c.logged[r]
	if l.once && c.now-l.at < logEvery && c.now >= l.at {
		l.silently += uint64(n)
		return
	}
	c.log.LogAttrs(context.Background(), level, "tick refused", slog.String("reason", r.String()), slog.String("why", why),
		slog.String("subject", c.subject), slog.Int("ticks", n), slog.Uint64("since_last_line", l.silently))
	*l = logged{at: c.now, once: true}
}

// refuseError does so for an error of package tick.
func (c *core) refuseError(n int, err error) {
	var r *tick.Refusal
	if errors.As(err, &r) {
		c.refuse(r.Reason, n, r.Text)
	}
}
