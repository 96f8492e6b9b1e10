package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A delayed feed reads the stream at now less its delay and nothing else: no live ticks, no publisher, and of the stream no
// message before its time, however urgently something is missing. So what its sink holds was known to the market at least
// so long ago, and whoever may have delayed data gets books, bars, statistics and everything else as all others do.
//
// Its core lives in the past: the time that it is told is that at which the stream got the message at hand while it
// catches up, and now less the delay from then on.

const (
	// lookBack is how far behind its own time a delayed feed begins to read, so that it knows what is quiet.
	lookBack = 15 * time.Minute
	// tailAgain is the pause before a stream that cannot be read is tried again.
	tailAgain = time.Second
	// tailSlack is how far the core's time lies behind that of the next message, so that it does not go back with one.
	tailSlack = 250 * time.Millisecond
	// tailPause is how long a stream that has nothing newer is left alone. That is so where nothing came for the whole delay.
	tailPause = 100 * time.Millisecond
	// tailIdle is how long a server keeps a consumer that does not ask: one that waits for the time of its next message.
	tailIdle = 5 * time.Minute
)

// tail is where a delayed feed stands. It belongs to the feed's goroutine.
type tail struct {
	started bool
	reading bool  // the stream can be read
	caught  bool  // all that is due was taken
	at      int64 // when the stream got the last message
}

// pastNow is the time of a delayed feed's core, in microseconds.
func (f *Feed) pastNow() int64 {
	if f.tail.at != 0 && !f.tail.caught {
		return f.tail.at
	}
	return f.o.Now().Add(-f.o.Delay - tailSlack).UnixMicro()
}

// observeTail starts the reading, and says where it comes to a stop.
func (f *Feed) observeTail() {
	if !f.tail.started {
		f.tail.started = true
		f.finder.Add(1)
		go f.runTail()
	}
	connected := f.nc.IsConnected() && f.tail.reading
	if connected == f.core.connected {
		return
	}
	f.sink.Begin()
	defer f.sink.Commit()
	if connected {
		f.core.reconnected(f.now())
		return
	}
	f.log.Warn("the delayed feed cannot read the stream: its sources are suspect", "delay", f.o.Delay)
	f.core.disconnected(f.now())
}

// takeTail applies what the stream brought.
func (f *Feed) takeTail(r found) {
	f.tail.reading = !r.failed
	f.observeTail()
	if len(r.messages) > 0 {
		f.tail.caught = false
		f.sink.Begin()
		for _, m := range r.messages {
			f.tail.at = m.at
			f.core.live(m.subject, m.payload, m.at)
		}
		f.sink.Commit()
		f.core.takeTransit(&f.transit)
	}
	if f.tail.caught = r.done; r.done && !f.Ready() {
		close(f.booted)
	}
}

// runTail is the goroutine that reads the stream, from the start of a delayed feed to its end.
func (f *Feed) runTail() {
	defer f.finder.Done()
	t := &tailReader{reader: reader{f: f, most: neverTooMany}}
	told := ""
	for f.ctx.Err() == nil {
		err := t.run(f.ctx)
		if f.ctx.Err() != nil {
			return
		}
		if text := err.Error(); text != told {
			told = text
			f.log.Warn("reading the stream for delayed data; trying again", slog.Duration("delay", f.o.Delay), slog.Any("err", err))
		}
		if !f.tell(found{tail: true, failed: true}) {
			return
		}
		select {
		case <-time.After(tailAgain):
		case <-f.ctx.Done():
		}
	}
}

// tailReader reads the stream message by message, each in its time.
type tailReader struct {
	reader
	next uint64    // number of the message to go on with; 0: by time
	made time.Time // when the stream was made that next belongs to
}

// run reads until that fails.
func (t *tailReader) run(ctx context.Context) error {
	f := t.f
	there, err := t.open(ctx)
	switch {
	case err != nil:
		return err
	case !there:
		return errors.New("no stream records the ticks, and delayed data needs one")
	}
	if keeps := t.stream.CachedInfo().Config.MaxAge; keeps != 0 && keeps <= f.o.Delay {
		return fmt.Errorf("stream %s keeps messages for %v, and the delay is %v: have it keep them for longer than that", t.name, keeps, f.o.Delay)
	}
	if made := t.stream.CachedInfo().Created; !made.Equal(t.made) {
		t.next, t.made = 0, made
	}
	since := t.start()
	cfg := jetstream.ConsumerConfig{FilterSubjects: t.ticks(), DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since, InactiveThreshold: tailIdle}
	if t.next != 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, t.next, nil
	}
	c, err := t.consume(ctx, cfg)
	if err != nil {
		return err
	}
	defer t.forget(c)
	for {
		var p pull
		if c.pending > 0 {
			if p, err = c.pull(ctx); err != nil {
				return err
			}
		}
		if err := t.hand(ctx, p); err != nil {
			return err
		}
		if c.pending > 0 {
			continue
		}
		select {
		case <-time.After(tailPause):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := c.look(ctx); err != nil {
			return err
		}
	}
}

// start is where a feed begins.
func (t *tailReader) start() time.Time {
	return t.f.o.Now().Add(t.ahead - t.f.o.Delay - lookBack)
}

// hand gives the feed each message of p when its time has come.
func (t *tailReader) hand(ctx context.Context, p pull) error {
	messages := p.stored(nil)
	for len(messages) > 0 {
		due := t.f.o.Now().Add(t.ahead - t.f.o.Delay).UnixMicro()
		n := 0
		for n < len(messages) && messages[n].at <= due {
			n++
		}
		if n > 0 {
			t.next = p.metadata[len(p.metadata)-len(messages)+n-1].Sequence.Stream + 1
			// Where the rest must wait, all that is due is there.
			if err := t.tell(found{tail: true, messages: messages[:n], done: n < len(messages)}); err != nil {
				return err
			}
			messages = messages[n:]
			continue
		}
		select {
		case <-time.After(time.Duration(messages[0].at-due) * time.Microsecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if p.pending == 0 {
		return t.tell(found{tail: true, done: true})
	}
	return nil
}
