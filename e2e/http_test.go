package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/feedd/feedd/internal/client"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// tape is the trades that a client over plain HTTP was told of.
type tape struct {
	t      *testing.T
	prices []int64 // in the instrument's units
	lastID string
	retry  string
	goaway bool
	ended  *feedv1.Close
}

// frame takes note of a ServerFrame in JSON.
func (p *tape) frame(text string) {
	p.t.Helper()
	f := new(feedv1.ServerFrame)
	if err := protojson.Unmarshal([]byte(text), f); err != nil {
		p.t.Fatalf("%v: %s", err, text)
	}
	for _, tr := range f.TradeTexts {
		price, err := strconv.ParseInt(strings.ReplaceAll(tr.Price, ".", ""), 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		p.prices = append(p.prices, price)
	}
	for _, l := range f.Losses {
		p.t.Fatalf("lost: %v", l)
	}
	p.goaway = p.goaway || f.Goaway != nil
	if f.Close != nil {
		p.ended = f.Close
	}
}

// events reads an event stream until enough is there, or to its end.
func (p *tape) events(url string, enough func() bool, headers ...string) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(deadline(p.t))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		p.t.Fatalf("%s: %s", resp.Status, b)
	}
	for in := bufio.NewReader(resp.Body); !enough(); {
		line, err := in.ReadString('\n')
		if err == io.EOF && p.ended != nil {
			return
		}
		if err != nil {
			p.t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			p.frame(text)
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			p.lastID = id
		}
		if ms, ok := strings.CutPrefix(line, "retry: "); ok {
			p.retry = ms
		}
	}
}

// came tells whether the trade of a price was told of, and an id behind it.
func (p *tape) came(price int64) func() bool {
	return func() bool {
		return len(p.prices) > 0 && p.prices[len(p.prices)-1] == price && strings.HasSuffix(p.lastID, fmt.Sprintf("=%d", price))
	}
}

// holds fails unless exactly the trades from … to were told of, in order.
func (p *tape) holds(from, to int64) {
	p.t.Helper()
	for n, price := range p.prices {
		if price != from+int64(n) {
			p.t.Fatalf("trade %d is of price %d, want %d", n, price, from+int64(n))
		}
	}
	if want := int(to - from + 1); len(p.prices) != want {
		p.t.Fatalf("%d trades, want %d", len(p.prices), want)
	}
}

// ready waits until a server has the trades of a venue.
func ready(t *testing.T, server *process, v *venue) {
	t.Helper()
	c := follow(t, server.WebSocket(), client.Options{})
	await(t, "all trades", c, func(m *client.Model) bool { tr, ok := m.LastTrade("e2e:X"); return ok && tr.Price == v.n })
	c.Close()
}

// An event stream breaks, and goes on at another node with nothing but the id that it brought last: no trade is missing and none
// comes twice. A node that stops says when to come back.
func TestEventStreamGoesOnAtAnotherNode(t *testing.T) {
	t.Parallel()
	first := serve(t, "--sim", "off")
	second := serve(t, "--sim", "off", "--nats-url", first.Line("nats"))
	v := openVenue(t, first.Line("nats"))
	v.tick(50)
	ready(t, first, v)
	const query = "/v1/sse?symbols=e2e:*&channels=quote,trade&cadence_ms=0&history=1000"
	p := &tape{t: t}
	p.events(first.Dashboard()+query, p.came(50))
	p.holds(1, 50)
	v.tick(300)
	ready(t, second, v)
	next := &tape{t: t}
	next.events(second.Dashboard()+query, next.came(350), "Last-Event-ID", p.lastID)
	next.holds(51, 350)

	last := &tape{t: t}
	told := false
	last.events(second.Dashboard()+query+"&last_event_id="+strings.ReplaceAll(next.lastID, " ", "+"), func() bool {
		if !told && len(last.prices) > 0 {
			told = true
			second.Signal(syscall.SIGTERM)
		}
		return false
	})
	if ms, err := strconv.Atoi(last.retry); !last.goaway || last.ended.GetCode() != 4000 || err != nil || ms < 500 {
		t.Errorf("a node that stops: goaway %t, retry %q, %v", last.goaway, last.retry, last.ended)
	}
	last.holds(350, 350) // with none behind it, the last one comes once more
}

// Every other answer to a poll does not arrive, and nothing is lost.
func TestPollingLosesNothing(t *testing.T) {
	t.Parallel()
	server := serve(t, "--sim", "off")
	v := openVenue(t, server.Line("nats"))
	v.tick(10)
	ready(t, server, v)
	p := &tape{t: t}
	var secret string
	poll := func(path, body string) (text, number string) {
		req, err := http.NewRequestWithContext(deadline(t), http.MethodPost, server.Dashboard()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
			t.Fatalf("%s %s %v", resp.Status, b, err)
		}
		if s := resp.Header.Get("Feedd-Secret"); s != "" {
			secret = s
		}
		return string(b), resp.Header.Get("Feedd-Answer")
	}
	text, number := poll("/v1/poll", `{"id":1,"subscribe":{"symbols":["e2e:X"],"channels":["trade"],"cadenceMs":0,"history":1000}}`)
	for n := 0; ; n++ {
		for line := range strings.Lines(text) {
			p.frame(line)
		}
		if len(p.prices) > 0 && p.prices[len(p.prices)-1] == 210 {
			break
		}
		if n < 20 {
			v.tick(10)
		}
		path := "/v1/poll/" + secret + "?after=" + number
		lost, lostNumber := poll(path, "")
		if lost == "" {
			text = ""
			continue
		}
		if text, number = poll(path, ""); text != lost || number != lostNumber {
			t.Fatalf("answer %s was %q, and then %s %q", lostNumber, lost, number, text)
		}
	}
	p.holds(1, 210)
}
