package ingest

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
)

// streamLook is the time between two looks whether the stream is still there and still records the ticks. Somebody may delete it or
// give it other subjects under a running node, and without gaps nobody would notice until one has to be filled.
const streamLook = 5 * time.Second

// recording is what a look at the stream found.
type recording struct {
	name   string   // empty: there is none
	lacks  []string // subjects of ticks that it does not record
	config jetstream.StreamConfig
}

func (r *recording) whole() bool { return r.name != "" && len(r.lacks) == 0 }

// watchStream is a goroutine that looks again and again, until Stop. A stream that does not answer is no news: it may be between two
// leaders.
func (f *Feed) watchStream() {
	defer f.finder.Done()
	look := time.NewTicker(streamLook)
	defer look.Stop()
	var before recording
	for first := true; ; {
		if now, ok := f.lookAtStream(); ok {
			f.tellOfStream(before, now, first)
			before, first = now, false
			f.mu.Lock()
			f.stats.recorded = now.whole()
			f.mu.Unlock()
		}
		select {
		case <-look.C:
		case <-f.ctx.Done():
			return
		}
	}
}

// lookAtStream reports false where the stream does not answer.
func (f *Feed) lookAtStream() (now recording, ok bool) {
	if !f.nc.IsConnected() {
		return now, false
	}
	ctx, cancel := context.WithTimeout(f.ctx, readWithin)
	defer cancel()
	r := &reader{f: f}
	there, err := r.open(ctx)
	if err != nil || !there {
		return now, err == nil
	}
	now.name, now.config = r.name, r.stream.CachedInfo().Config
	for _, ch := range []market.Channel{market.ChannelDefinition, market.ChannelQuote, market.ChannelTrade, market.ChannelBook, market.ChannelStatus} {
		name, err := r.js.StreamNameBySubject(ctx, subject.AllOf(ch))
		if err != nil && ctx.Err() != nil {
			return now, false
		}
		if err != nil || name != r.name {
			now.lacks = append(now.lacks, subject.AllOf(ch))
		}
	}
	return now, true
}

// tellOfStream logs what has changed. What there is at the start was said by the join.
func (f *Feed) tellOfStream(before, now recording, first bool) {
	was, is := &before.config, &now.config
	switch {
	case now.whole() && !first && !before.whole():
		f.log.Info("the stream records the ticks again", slog.String("stream", now.name))
	case now.name == "" && before.name != "":
		f.log.Error("the stream that records the ticks is gone: what is missing can be had from publishers alone", slog.String("stream", before.name))
	case len(now.lacks) > 0 && !slices.Equal(now.lacks, before.lacks):
		f.log.Error("the stream does not record all ticks: what is missing of them can be had from publishers alone",
			slog.String("stream", now.name), slog.Any("lacks", now.lacks))
	case !first && now.name == before.name && (was.MaxAge != is.MaxAge || was.MaxBytes != is.MaxBytes || was.MaxMsgs != is.MaxMsgs):
		f.log.Warn("somebody has changed what the stream keeps", slog.String("stream", now.name),
			slog.Duration("max_age", is.MaxAge), slog.Int64("max_bytes", is.MaxBytes), slog.Duration("max_age_before", was.MaxAge), slog.Int64("max_bytes_before", was.MaxBytes))
	}
}
