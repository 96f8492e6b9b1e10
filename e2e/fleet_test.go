package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/internal/rig"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Three nodes hear of one another, and of one that speaks another revision and one whose clock is off. Who is told to leave one is
// told of the others that take clients, and of no other.
func TestNodesSendClientsToOneAnother(t *testing.T) {
	t.Parallel()
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	node := func(name, public string) *process {
		args := []string{"--sim", "off", "--nats-url", ns.URL(), "--node", name}
		if public != "" {
			args = append(args, "--public-url", public)
		}
		return serve(t, args...)
	}
	first, second, third := node("first", ""), node("second", "ws://127.0.0.1:9/second"), node("third", "ws://127.0.0.1:9/third")
	nc, err := nats.Connect(ns.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	say := func(load map[string]any) {
		payload, err := json.Marshal(load)
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Publish("feedd.nodes."+load["instance"].(string), payload); err != nil {
			t.Fatal(err)
		}
	}
	strangers := func() {
		now := time.Now().UnixMicro()
		say(map[string]any{"revision": 77, "instance": "S", "node": "stranger", "version": "7.7", "interval_ms": 60_000, "sent_us": now, "url": "ws://127.0.0.1:9/stranger"})
		say(map[string]any{"revision": 1, "instance": "L", "node": "third", "version": "1", "interval_ms": 60_000, "sent_us": now - 90e6, "level": "refusing", "refuses": true, "url": "ws://127.0.0.1:9/late"})
	}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(within); !ok(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: never", what)
			}
			strangers()
		}
	}
	for state, want := range map[string]string{"heard": "4", "strange": "1", "namesakes": "2", "clock_off": "1", "draining": "0"} {
		eventually(state, func() bool { return first.Metric(`feedd_nodes{state="`+state+`"}`) == want })
	}
	out, err := exec.Command(rig.Binary(t), "nodes", "--admin-url", first.Admin()).CombinedOutput()
	for _, want := range []string{"first *", "second", "speaks another revision", "shares its name", "clock -90.0 s", "ws://127.0.0.1:9/third"} {
		if err != nil || !bytes.Contains(out, []byte(want)) {
			t.Errorf("feedd nodes: %v, without %q:\n%s", err, want, out)
		}
	}

	goaway := make(chan *feedv1.GoAway, 1)
	c := dial(t, first.WebSocket(), client.Options{OnUpdate: func(u client.Update) {
		if u.Frame.Goaway != nil {
			goaway <- u.Frame.Goaway
		}
	}})
	if _, err := c.Subscribe(deadline(t), &feedv1.Subscribe{Symbols: []string{"nobody:*"}}); err != nil {
		t.Fatal(err)
	}
	takers := func(urls []string) bool {
		joined := strings.Join(urls, " ")
		return len(urls) == 2 && strings.Contains(joined, "/second") && strings.Contains(joined, "/third")
	}
	c.View(func(m *client.Model) {
		if !takers(m.Welcome().Alternates) {
			t.Errorf("welcomed with %v, want second and third", m.Welcome().Alternates)
		}
	})
	second.Interrupt()
	eventually("the end of second", func() bool {
		return first.Metric(`feedd_nodes{state="draining"}`) == "1" || first.Metric(`feedd_nodes{state="heard"}`) == "3"
	})
	first.Interrupt()
	select {
	case g := <-goaway:
		if len(g.Alternates) != 1 || !strings.HasSuffix(g.Alternates[0], "/third") || g.ReconnectMaxMs <= g.ReconnectMinMs {
			t.Errorf("%v, want third alone", g)
		}
	default:
		t.Error("no goaway")
	}
	third.Interrupt()
}
