package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Options of Run.
type Options struct {
	URL      string
	Token    string   // says who watches; empty: nobody in particular
	Name     string   // of the software, for the operator's eyes
	Symbols  []string // "venue:SYMBOL" or patterns with *
	Channels []string
	Cadence  time.Duration // the wish
	Depth    uint32        // levels a side of books; 0: all
	Bar      time.Duration // length of bars; 0: a minute
}

// barHistory is how many bars there are to begin with.
const barHistory = 30

// View is who watches. Run calls its methods from several goroutines, but never two at a time.
type View interface {
	// Updated tells what a frame changed. Instruments come ahead of their rows, and both may come ahead
	// of Connected.
	Updated(u *client.Update)
	// Connected tells of a new session, the slowest cadence granted, and which wishes were refused.
	Connected(granted time.Duration, refused []string)
	// Lost tells why the connection ended and when the next attempt follows.
	Lost(err error, retry time.Duration)
}

// Waits between attempts to connect again, drawn at random so that many watchers do not return at once.
const (
	minWait = 500 * time.Millisecond
	maxWait = 5 * time.Second
)

// Run shows v what o asks for until ctx ends, which it returns, or until the server says not to come
// back. The first attempt must succeed; connections lost later are made again.
func Run(ctx context.Context, o Options, v View) error {
	w := &watcher{options: o, view: v, elsewhere: client.NewElsewhere(o.URL)}
	established := false
	for {
		err := w.session(ctx, &established)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !established || !retry(err) {
			return err
		}
		var wait time.Duration
		w.do(func() {
			wait = w.elsewhere.Wait(minWait, maxWait)
			v.Lost(err, wait)
		})
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// retry reports whether a lost connection may be made again. A protocol error would only repeat itself.
func retry(err error) bool {
	var closed *client.CloseError
	var broken *client.ProtocolError
	var refused *client.Error
	switch {
	case errors.As(err, &closed):
		return closed.Retry()
	case errors.As(err, &broken) || errors.As(err, &refused):
		return false
	}
	return true
}

type watcher struct {
	options Options

	mu        sync.Mutex // held while the view is called
	view      View
	elsewhere *client.Elsewhere
}

func (w *watcher) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// session is one connection from its beginning to its end.
func (w *watcher) session(ctx context.Context, established *bool) error {
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var url string
	w.do(func() { url = w.elsewhere.Next() })
	c, err := client.Dial(within, url, client.Options{
		Name: w.options.Name, Token: w.options.Token, Deflate: true,
		OnUpdate: func(u client.Update) {
			w.do(func() {
				w.elsewhere.Note(u.Frame)
				w.view.Updated(&u)
			})
		},
	})
	if err != nil {
		return fmt.Errorf("cannot watch %s: %w; is feedd running there?", url, err)
	}
	defer c.Close()
	cadence := uint32(w.options.Cadence.Milliseconds())
	wish := &feedv1.Subscribe{
		Symbols: w.options.Symbols, Channels: w.options.Channels, CadenceMs: &cadence,
		Depth: w.options.Depth, BarSeconds: uint32(w.options.Bar / time.Second),
	}
	if slices.Contains(w.options.Channels, market.ChannelBar.String()) {
		wish.History = proto.Uint32(barHistory)
	}
	answer, err := c.Subscribe(within, wish)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := w.connected(c, answer); err != nil {
		return err
	}
	*established = true
	select {
	case <-c.Done():
		return c.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *watcher) connected(c *client.Client, answer *feedv1.Subscribed) error {
	var refused []string
	var granted time.Duration
	some := false
	c.View(func(m *client.Model) {
		for _, r := range answer.Results {
			if r.Handle == 0 {
				text := reason(r)
				if !slices.Contains(refused, text) { // once for all channels of a symbol
					refused = append(refused, text)
				}
				continue
			}
			some = true
			view := market.View{Depth: uint8(r.Depth), Group: r.PriceGroup, Interval: r.BarSeconds, Summary: r.TradeSummary}
			if g := m.GrantOf(r.Symbol, market.ParseChannel(r.Channel), view); g != nil {
				granted = max(granted, time.Duration(g.CadenceMs)*time.Millisecond)
			}
		}
	})
	if !some {
		return &client.Error{Code: firstCode(answer), Text: strings.Join(refused, "; ")}
	}
	w.do(func() { w.view.Connected(granted, refused) })
	return nil
}

// reason is why a wish was refused, in words that name its symbol.
func reason(r *feedv1.SubscribeResult) string {
	switch {
	case r.Text == "":
		return r.Symbol + ": " + r.Code.String()
	case strings.Contains(r.Text, r.Symbol):
		return r.Text
	}
	return r.Symbol + ": " + r.Text
}

func firstCode(answer *feedv1.Subscribed) feedv1.ErrorCode {
	if len(answer.Results) > 0 {
		return answer.Results[0].Code
	}
	return feedv1.ErrorCode_ERROR_CODE_NO_MATCH
}
