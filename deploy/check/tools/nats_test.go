package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/publish"
)

// within bounds every wait.
const within = 2 * time.Minute

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	return ctx
}

func until(t *testing.T, what string, look func() bool) {
	t.Helper()
	for over := time.Now().Add(within); !look(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(over) {
			t.Fatalf("never: %s", what)
		}
	}
}

// freePorts returns ports that nobody listens on at the moment.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

var users = []string{"OPERATOR", "PUBLISHER", "FEEDD", "SYS", "ROUTE"}

// cluster runs three servers on nats.conf, with other addresses.
func cluster(t *testing.T) (servers []*server.Server) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, "nats/nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		t.Setenv("NATS_"+u+"_PASSWORD", "pass-of-"+strings.ToLower(u))
	}
	ports := freePorts(t, 3)
	for i, p := range ports {
		t.Setenv(fmt.Sprint("NATS_ROUTE_", i+1), fmt.Sprintf("nats-route://route:pass-of-route@127.0.0.1:%d", p))
	}
	for i, p := range ports {
		t.Setenv("NATS_NAME", fmt.Sprint("nats-", i+1))
		dir := t.TempDir()
		conf := string(text)
		for from, to := range map[string]string{
			`"0.0.0.0:4222"`: `"127.0.0.1:-1"`, `"0.0.0.0:6222"`: fmt.Sprintf(`"127.0.0.1:%d"`, p), `"127.0.0.1:8222"`: `"127.0.0.1:-1"`, `"/data"`: `"` + dir + `"`,
		} {
			if !strings.Contains(conf, from) {
				t.Fatalf("%s is not in nats.conf", from)
			}
			conf = strings.ReplaceAll(conf, from, to)
		}
		if err := os.WriteFile(filepath.Join(dir, "nats.conf"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := server.ProcessConfigFile(filepath.Join(dir, "nats.conf"))
		if err != nil {
			t.Fatal(err)
		}
		o.NoSigs, o.NoLog = true, true
		s, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
	}
	until(t, "the cluster has a leader", func() bool {
		for _, s := range servers {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == 3 {
				return true
			}
		}
		return false
	})
	return servers
}

// as connects a user; refusals arrive in denied.
func as(t *testing.T, s *server.Server, user string) (nc *nats.Conn, denied chan error) {
	t.Helper()
	denied = make(chan error, 100)
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(user, "pass-of-"+user), nats.Timeout(30*time.Second), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		denied <- err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, denied
}

func TestNATSGivesEachWhatItNeedsAndNoMore(t *testing.T) {
	servers := cluster(t)
	operator, _ := as(t, servers[0], "operator")
	var stream jetstream.StreamConfig
	text, err := os.ReadFile(filepath.Join(deploy, "nats/stream.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &stream); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(operator)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the stream is made", func() bool {
		_, err = js.CreateStream(deadline(t), stream)
		return err == nil
	})

	// A publisher publishes, and a node shows it.
	publisher, refused := as(t, servers[1], "publisher")
	pub, err := publish.New(publisher, publish.Options{Venue: "demo", HeartbeatInterval: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pub.Close() })
	in, err := pub.Define(market.Instrument{Symbol: market.Symbol{Venue: "demo", Name: "X"}, PriceScale: 2})
	if err != nil {
		t.Fatal(err)
	}
	quote := func(bid int64) {
		if err := in.Quote(market.Quote{Bid: bid, BidSize: 1, Has: market.HasBid}); err != nil {
			t.Fatal(err)
		}
		if err := pub.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	quote(41) // from the stream
	until(t, "the stream has it", func() bool {
		st, err := js.Stream(deadline(t), "FEEDD")
		return err == nil && st.CachedInfo().State.Msgs >= 2
	})
	n := startNode(t, servers[2].ClientURL(), "FEEDD_AUTH_DEV_KEY="+filepath.Join(t.TempDir(), "key"), "FEEDD_ANONYMOUS=true")
	c := n.dial(t, client.Options{})
	bid := func(want int64) func(*client.Model) bool {
		return func(m *client.Model) bool { q, ok := m.Quote("demo:X"); return ok && q.Bid == want }
	}
	until(t, "the instrument is known", func() bool {
		reply, err := c.Subscribe(deadline(t), &feedv1.Subscribe{Symbols: []string{"demo:X"}})
		return err == nil && reply.Results[0].Handle != 0
	})
	if err := c.Await(deadline(t), bid(41)); err != nil {
		t.Fatal(err)
	}
	quote(42) // live
	if err := c.Await(deadline(t), bid(42)); err != nil {
		t.Fatal(err)
	}
	until(t, "the node watches policies", func() bool { return n.metric(t, "feedd_policy_stale") == "0" })
	n.post(t, "/v1/policy/stops", `{"name":"halt","symbols":["demo:*"]}`)
	until(t, "a kill switch is written", func() bool { return n.metric(t, "feedd_policy_rev") != "0" })
	if log := n.log.String(); strings.Contains(strings.ToLower(log), "permissions violation") {
		t.Errorf("the node asks for more than it may:\n%s", log)
	}
	select {
	case err := <-refused:
		t.Errorf("the publisher is refused: %v", err)
	default:
	}

	// And what they may not do.
	node, nodeRefused := as(t, servers[0], "feedd")
	for _, try := range []struct {
		nc      *nats.Conn
		refused chan error
		what    string
		do      func(nc *nats.Conn) error
	}{
		{node, nodeRefused, "a node publishes a tick", func(nc *nats.Conn) error { return nc.Publish("md.demo.X.quote", nil) }},
		{node, nodeRefused, "a node deletes the stream", func(nc *nats.Conn) error { return nc.Publish("$JS.API.STREAM.DELETE.FEEDD", nil) }},
		{node, nodeRefused, "a node purges the stream", func(nc *nats.Conn) error { return nc.Publish("$JS.API.STREAM.PURGE.FEEDD", nil) }},
		{node, nodeRefused, "a node reads everything", func(nc *nats.Conn) error { _, err := nc.SubscribeSync(">"); return err }},
		{publisher, refused, "a publisher reads the market", func(nc *nats.Conn) error { _, err := nc.SubscribeSync("md.*.*.quote"); return err }},
		{publisher, refused, "a publisher asks for snapshots", func(nc *nats.Conn) error { return nc.Publish("md.snapshot.demo.X", nil) }},
		{publisher, refused, "a publisher changes the policy", func(nc *nats.Conn) error { return nc.Publish("$KV.feedd_policy.current", nil) }},
		{publisher, refused, "a publisher makes streams", func(nc *nats.Conn) error { return nc.Publish("$JS.API.STREAM.CREATE.X", nil) }},
	} {
		if err := try.do(try.nc); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-try.refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", try.what, err)
			}
		case <-time.After(within):
			t.Errorf("%s: nobody minds", try.what)
		}
	}
	if _, err := nats.Connect(servers[0].ClientURL()); err == nil {
		t.Error("anybody may connect")
	}
}
