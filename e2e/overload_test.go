package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/publish"
)

// crowd is a number of clients of one server, with what each was last told about its end and its grants.
type crowd struct {
	clients []*client.Client

	mu     sync.Mutex
	goaway map[int]*feedv1.GoAway
	grants map[int]feedv1.GrantReason
}

func gather(t *testing.T, server *process, n int) *crowd {
	c := &crowd{goaway: map[int]*feedv1.GoAway{}, grants: map[int]feedv1.GrantReason{}}
	for i := range n {
		one := dial(t, server.WebSocket(), client.Options{OnUpdate: func(u client.Update) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if u.Frame.Goaway != nil {
				c.goaway[i] = u.Frame.Goaway
			}
			for _, g := range u.Frame.Grants {
				c.grants[i] = max(c.grants[i], g.Reason)
			}
		}})
		subscribeOnceKnown(t, one, "e2e:X")
		c.clients = append(c.clients, one)
	}
	return c
}

// ended returns how many connections have ended with a code; any other end fails the test.
func (c *crowd) ended(t *testing.T, code uint16) (n int) {
	t.Helper()
	for i, one := range c.clients {
		var closed *client.CloseError
		switch err := one.Err(); {
		case err == nil:
		case errors.As(err, &closed) && closed.Code == code:
			n++
		default:
			t.Fatalf("client %d ended with %v, want %d", i, err, code)
		}
	}
	return n
}

// until looks again and again, doing something in between.
func until(t *testing.T, what string, look func() bool, meanwhile func()) {
	t.Helper()
	over := time.Now().Add(within)
	for !look() {
		if time.Now().After(over) {
			t.Fatalf("never: %s", what)
		}
		meanwhile()
	}
}

func pause() { time.Sleep(50 * time.Millisecond) }

// Memory grows towards its limit: first nobody new is let in, then rows come less often, then sessions are sent away with a
// wait, and nothing of that before its time.
func TestMemoryThatRunsOut(t *testing.T) {
	const limit = 112 << 20
	t.Setenv("GOMEMLIMIT", strconv.Itoa(limit))
	server := serve(t, "--sim", "off")
	v := openVenue(t, server.Line("nats"))
	v.tick(1)
	c := gather(t, server, 8)
	nc, err := nats.Connect(server.Line("nats"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	pub, err := publish.New(nc, publish.Options{Venue: "deep"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pub.Close() })
	books := 0
	grow := func() { // by about a third of a megabyte
		books++
		in, err := pub.Define(market.Instrument{Symbol: market.Symbol{Venue: "deep", Name: fmt.Sprint("B", books)}})
		if err != nil {
			t.Fatal(err)
		}
		book := publish.Book{Snapshot: true}
		for i := range int64(9000) {
			book.Bids = append(book.Bids, market.Level{Price: 100_000 - i, Size: 1 + i})
			book.Asks = append(book.Asks, market.Level{Price: 100_001 + i, Size: 1 + i})
		}
		if err := in.Book(book); err != nil {
			t.Fatal(err)
		}
		if err := pub.Flush(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Millisecond) // each level should be seen
	}
	number := func(metric string) float64 {
		v, err := strconv.ParseFloat(server.Metric(metric), 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	most := 0.0 // bytes of memory that the Go runtime had at any look
	state := func() int {
		if books%10 == 0 {
			most = max(most, number("go_memstats_sys_bytes")-number("go_memstats_heap_released_bytes"))
		}
		return int(number("feedd_admission_state"))
	}
	slowed := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := 0
		for _, reason := range c.grants {
			if reason == feedv1.GrantReason_GRANT_REASON_OVERLOAD {
				n++
			}
		}
		return n
	}

	until(t, "refusing", func() bool { return state() >= 1 }, grow)
	if state() == 1 && slowed() > 0 {
		t.Error("rows come less often before anybody is refused")
	}
	answer, err := http.Get(strings.Replace(server.WebSocket(), "ws", "http", 1))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a request that is no WebSocket: %s", answer.Status)
	}
	if _, err := client.Dial(deadline(t), server.WebSocket(), client.Options{}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("somebody new: %v", err)
	}
	until(t, "slowing", func() bool { return state() >= 2 }, grow)
	until(t, "every client is told", func() bool { return slowed() == len(c.clients) || state() > 2 }, pause)
	if state() == 2 && c.ended(t, 4005) > 0 {
		t.Error("sessions end while it is enough that rows come less often")
	}
	until(t, "shedding", func() bool { return state() >= 3 }, grow)
	until(t, "sessions are sent away", func() bool { return c.ended(t, 4005) > 2 }, pause)
	for i, one := range c.clients {
		if one.Err() == nil {
			continue
		}
		c.mu.Lock()
		away := c.goaway[i]
		c.mu.Unlock()
		if away == nil || away.ReconnectMinMs < 5000 || away.ReconnectMaxMs != 30_000 {
			t.Errorf("client %d was told %v", i, away)
		}
	}
	t.Logf("%d books, at most %.0f MiB of a limit of %d MiB", books, most/(1<<20), limit>>20)
	if most > 1.1*limit {
		t.Errorf("the process had %.0f bytes, and its limit is %d", most, limit)
	}
	// Each step stands in the log, in its order.
	log, last := server.Stderr(), 0
	for _, level := range []string{"refusing", "slowing", "shedding"} {
		at := strings.Index(log, "msg=load level="+level)
		if at < last && (at >= 0 || level == "shedding") {
			t.Errorf("%s came at %d, behind %d", level, at, last)
		}
		last = max(last, at)
	}
	server.Interrupt()
}

// Clients are asked to come back over a time that follows from how many there are, every connection ends as it should, and
// the process in time.
func TestDrainSeesEverybodyOff(t *testing.T) {
	server := serve(t, "--sim", "off", "--drain-within", "20s", "--drain-peers", "2")
	v := openVenue(t, server.Line("nats"))
	v.tick(1)
	c := gather(t, server, 60)
	server.Signal(syscall.SIGTERM)
	if code := server.Wait(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	for _, one := range c.clients {
		<-one.Done()
	}
	if n := c.ended(t, 4000); n != len(c.clients) {
		t.Errorf("%d of %d connections ended as drained", n, len(c.clients))
	}
	for i := range c.clients {
		// 60 clients at half of what two nodes can take is less than the shortest window.
		if away := c.goaway[i]; away == nil || away.ReconnectMinMs != 500 || away.ReconnectMaxMs != 1500 {
			t.Errorf("client %d was told %v", i, away)
		}
	}
}

// A second signal ends the process at once, whatever it is doing: seeing these clients off takes longer.
func TestSecondSignal(t *testing.T) {
	server := serve(t, "--sim", "off", "--drain-within", "1h")
	for range 20 {
		dial(t, server.WebSocket(), client.Options{})
	}
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		server.Signal(s)
	}
	if code := server.Wait(); code != 130 {
		t.Errorf("exit status %d, want 130", code)
	}
}
