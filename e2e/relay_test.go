package e2e

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/natsserver"
)

// relay stands between a publisher, which has a NATS server of its own, and the one that feedd listens to. It passes on
// what it hears, spoils some of it as scripts say, and carries requests for snapshots the other way.
type relay struct {
	t        *testing.T
	from, to *nats.Conn

	mu        sync.Mutex
	scripts   map[string]string // by channel: what becomes of the next messages; see act
	held      map[string]*nats.Msg
	delivered map[string]int // messages passed on, by channel
	deaf      int            // requests that get no answer
	unheard   int            // those that got none
	over      bool           // nothing is passed on or asked any more
}

// newRelay starts a publisher's server and the relay from there to the server at url. It returns the publisher's address.
func newRelay(t *testing.T, url string) (*relay, string) {
	t.Helper()
	origin, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(origin.Stop)
	r := &relay{t: t, scripts: map[string]string{}, held: map[string]*nats.Msg{}, delivered: map[string]int{}}
	for at, conn := range map[string]**nats.Conn{origin.URL(): &r.from, url: &r.to} {
		if *conn, err = nats.Connect(at); err != nil {
			t.Fatal(err)
		}
		t.Cleanup((*conn).Close)
	}
	t.Cleanup(r.end) // ahead of the connections, which are in use while the publisher says goodbye
	if _, err := r.from.Subscribe("md.>", r.hear); err != nil {
		t.Fatal(err)
	}
	if _, err := r.to.Subscribe("md.snapshot.>", r.ask); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []*nats.Conn{r.from, r.to} {
		if err := conn.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return r, origin.URL()
}

// end has the relay fall silent. What it is just passing on is passed on first; nothing is told to the test behind it.
func (r *relay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}

// script says what becomes of the next messages of a channel, a letter for each: '.' passes, 'd' is dropped, '2' comes
// twice, 'h' comes behind the one after it. All behind the script pass.
func (r *relay) script(channel, script string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scripts[channel] = script
}

// hear passes a message on. NATS calls it in the order of the publisher.
func (r *relay) hear(m *nats.Msg) {
	if strings.HasPrefix(m.Subject, "md.snapshot.") {
		return // the relay's own question
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	channel := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	act := byte('.')
	if s := r.scripts[channel]; s != "" {
		act, r.scripts[channel] = s[0], s[1:]
	}
	behind := r.held[channel]
	delete(r.held, channel)
	switch act {
	case 'd':
	case 'h':
		r.held[channel] = m
	case '2':
		r.pass(channel, m)
		r.pass(channel, m)
	default:
		r.pass(channel, m)
	}
	if behind != nil {
		r.pass(channel, behind)
	}
}

func (r *relay) pass(channel string, m *nats.Msg) {
	r.delivered[channel]++
	if err := r.to.Publish(m.Subject, m.Data); err != nil {
		r.t.Error(err)
	}
}

// ignore leaves the next n requests for snapshots without an answer.
func (r *relay) ignore(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaf = n
}

func (r *relay) ask(m *nats.Msg) {
	r.mu.Lock()
	lost := r.deaf > 0
	if lost {
		r.deaf--
		r.unheard++
	}
	r.mu.Unlock()
	if lost || m.Reply == "" {
		return
	}
	answer, err := r.from.Request(m.Subject, m.Data, within)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || errors.Is(err, nats.ErrNoResponders) {
		return // the publisher is between two lives, or the test is over
	}
	if err == nil {
		err = m.Respond(answer.Data)
	}
	if err != nil {
		r.t.Error(err)
	}
}

// hasPassed waits until so many messages of channels were passed on.
func (r *relay) hasPassed(n int, channels ...string) {
	r.t.Helper()
	passed := func() (sum int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, ch := range channels {
			sum += r.delivered[ch]
		}
		return sum
	}
	for ctx := deadline(r.t); passed() < n; {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			r.t.Fatalf("%d messages were passed on, want %d", passed(), n)
		}
	}
}
