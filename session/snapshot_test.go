package session_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/feedd/feedd/fanout"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
)

// A snapshot answers as a session does, in one frame, and holds nothing afterwards.
func TestSnapshotAnswersAsASubscribe(t *testing.T) {
	for name, e := range map[string]fanout.Encoding{"proto": fanout.Proto, "json": fanout.JSON} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(append(exchange(), crowd(500)...))
			m := &feedv1.Subscribe{Symbols: []string{"many:*", "@majors", "test:NONE"}, Channels: []string{"book", "bar"}, Depth: 10}
			payload, err := p.env.Snapshot(nil, m, e, 10_000)
			if err != nil {
				t.Fatal(err)
			}
			got := decodeServer(t, e, payload)
			s := p.open(e)
			ask(t, p, s, e, &feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{}}})
			var want int
			told := map[string]uint32{}
			for _, f := range ask(t, p, s, e, &feedv1.ClientFrame{Id: 2, Request: &feedv1.ClientFrame_Subscribe{Subscribe: m}}) {
				for _, r := range f.Subscribed.Results {
					told[r.Symbol+" "+r.Channel] = r.Handle
					want++
				}
			}
			if len(got.Subscribed.Results) != want || len(got.Subscribed.Instruments) != 503 || got.Subscribed.Partial {
				t.Errorf("%d results of %d instruments, want %d of 503", len(got.Subscribed.Results), len(got.Subscribed.Instruments), want)
			}
			for _, r := range got.Subscribed.Results {
				if told[r.Symbol+" "+r.Channel] != r.Handle {
					t.Errorf("%v, but a session is told of handle %d", r, told[r.Symbol+" "+r.Channel])
				}
			}
			// The engine was asked for each pair, each status, and both sources.
			if items := got.CutTimeUs; items != 503*2+503+2 {
				t.Errorf("%d items", items)
			}
		})
	}
}

func TestSnapshotRefuses(t *testing.T) {
	p := newPlace(exchange())
	for _, c := range []struct {
		m    *feedv1.Subscribe
		code feedv1.ErrorCode
		want string
	}{
		{&feedv1.Subscribe{}, feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, "symbols is empty"},
		{&feedv1.Subscribe{Symbols: []string{"test:FAKE"}, Channels: []string{"quote", "pears"}}, feedv1.ErrorCode_ERROR_CODE_UNKNOWN_CHANNEL, "pears"},
		{&feedv1.Subscribe{Symbols: []string{"test:NONE", "later:*"}}, feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL, "test:NONE"},
	} {
		_, err := p.env.Snapshot(nil, c.m, fanout.JSON, 10_000)
		var refusal *session.Refusal
		if !errors.As(err, &refusal) || refusal.Code != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %v with %q", c.m, err, c.code, c.want)
		}
	}
	_, err := p.env.Snapshot(nil, &feedv1.Subscribe{Symbols: []string{"binance:*"}}, fanout.JSON, 3)
	var large *fanout.TooLargeError
	if !errors.As(err, &large) {
		t.Errorf("a snapshot beyond the limit: %v", err)
	}
}
