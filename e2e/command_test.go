package e2e

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/rig"
	"github.com/feedd/feedd/market"
)

// Bad input on the command line ends with status 2 and one line that names what was wrong.
func TestBadInputIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	broken := filepath.Join(t.TempDir(), "broken_spot_btcusdt")
	if err := os.WriteFile(broken, []byte("1700000000123456789 {\"stream\":\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		env  string
		want []string
	}{
		"unknown command":      {args: []string{"serv"}, want: []string{"serv", "serve"}},
		"unknown flag":         {args: []string{"serve", "--lisen", "x"}, want: []string{"lisen"}},
		"bad flag value":       {args: []string{"serve", "--sim", "maybe"}, want: []string{"maybe", "on", "off", "auto"}},
		"bad environment":      {args: []string{"serve"}, env: "FEEDD_SIM=maybe", want: []string{"FEEDD_SIM", "maybe"}},
		"port in use":          {args: []string{"serve", "--sim", "off", "--data-dir", t.TempDir(), "--listen", taken.Addr().String()}, want: []string{taken.Addr().String(), "in use"}},
		"no file":              {args: []string{"replay"}, want: []string{"FILE"}},
		"missing file":         {args: []string{"replay", "--nats-url", "nats://127.0.0.1:1", "/nowhere/at/all.gz"}, want: []string{"/nowhere/at/all.gz"}},
		"broken line":          {args: []string{"replay", "--nats-url", "nats://127.0.0.1:1", broken}, want: []string{broken, "1"}},
		"bad speed":            {args: []string{"replay", "--speed", "fast", "x.gz"}, want: []string{"fast", "speed"}},
		"watch without symbol": {args: []string{"watch"}, want: []string{"SYMBOL"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(rig.Binary(t), c.args...)
			cmd.Env = os.Environ()
			if c.env != "" {
				cmd.Env = append(cmd.Env, c.env)
			}
			var stderr strings.Builder
			cmd.Stderr = &stderr
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != 2 {
				t.Errorf("exit status %d, want 2", code)
			}
			for _, w := range c.want {
				if !strings.Contains(stderr.String(), w) {
					t.Errorf("%q does not name %q", stderr.String(), w)
				}
			}
			if n := strings.Count(strings.TrimSpace(stderr.String()), "\n"); n > 3 {
				t.Errorf("%d lines where one would do:\n%s", n+1, stderr.String())
			}
		})
	}
}

// A newcomer's start: everything inside one process, a market that moves, and a clean stop.
func TestDefaultStart(t *testing.T) {
	server := serve(t, "--sim-rate", "200")
	c := dial(t, server.WebSocket(), client.Options{})
	subscribeOnceKnown(t, c, "test:FAKE", "sim:*")
	moved := func(symbol string) func(*client.Model) bool {
		first := market.Quote{}
		return func(m *client.Model) bool {
			q, ok := m.Quote(symbol)
			if first.IngestTime == 0 {
				first = q
			}
			return ok && (q.Bid != first.Bid || q.BidSize != first.BidSize || q.AskSize != first.AskSize)
		}
	}
	await(t, "test:FAKE to move", c, moved("test:FAKE"))
	await(t, "the simulated market to move", c, func(m *client.Model) bool {
		for _, s := range m.Symbols(market.ChannelQuote) {
			if q, ok := m.Quote(s); ok && strings.HasPrefix(s, "sim:") && q.Position.Sequence > 1 {
				return true
			}
		}
		return false
	})
	server.Interrupt()
	<-c.Done()
	var closed *client.CloseError
	if !errors.As(c.Err(), &closed) || !closed.Retry() {
		t.Fatalf("the client was told %v, want a close code that invites to come back", c.Err())
	}
}

// The one line that anybody can type moves a price, and the terminal shows it.
func TestAPriceOfOnesOwn(t *testing.T) {
	server := serve(t, "--sim", "off")
	v := openVenue(t, server.Line("nats"))
	say := func(subject, text string) {
		if err := v.conn.Publish(subject, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	say("md.demo.BTC-USD.quote", `{"bid":"61837.63","ask":"61837.64"}`)
	say("md.demo.BTC-USD.quote", `{"bid":"nonsense"}`)
	say("md.demo.BTC-USD.quote", "\xff\xff")
	say("md.demo.BTC-USD", "x")
	c := dial(t, server.WebSocket(), client.Options{JSON: true})
	subscribeOnceKnown(t, c, "demo:BTC-USD")
	await(t, "the price", c, func(m *client.Model) bool {
		q, ok := m.Quote("demo:BTC-USD")
		in, _ := m.Instrument("demo:BTC-USD")
		return ok && quoteText(q, in) == "61837.63 0 61837.64 0"
	})
	for _, reason := range []string{"malformed_json", "malformed_protobuf", "bad_subject"} {
		if n := server.Metric(`feedd_dropped_total{reason="` + reason + `"}`); n != "1" {
			t.Errorf("%s counted %s times, want once", reason, n)
		}
	}
	watch := command(t, "watch", "--url", server.WebSocket(), "demo:BTC-USD")
	say("md.demo.BTC-USD.quote", `{"bid":"61837.65","ask":"61837.66"}`)
	watch.Says("61837.65")
	watch.Interrupt()
}
