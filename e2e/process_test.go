package e2e

import (
	"context"
	"os"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/rig"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m, rig.Options{Race: true})) }

// within bounds every wait; it is no measure of speed.
const within = rig.Within

func deadline(t *testing.T) context.Context { return rig.Deadline(t) }

// process is a running feedd.
type process struct {
	*rig.Process
	t *testing.T
}

// command starts feedd with args. It is killed at the end of the test unless it has ended.
func command(t *testing.T, args ...string) *process {
	t.Helper()
	return &process{rig.Feedd(t, args...), t}
}

// serve starts a server on free ports and waits until it is ready.
func serve(t *testing.T, args ...string) *process {
	t.Helper()
	return &process{rig.Serve(t, args...), t}
}

// dial connects a client that must end without a complaint of its own.
func dial(t *testing.T, url string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(deadline(t), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// subscribeOnceKnown subscribes to quotes and trades, at once, as soon as the server knows every symbol: ticks
// take a moment from a publisher to it.
func subscribeOnceKnown(t *testing.T, c *client.Client, symbols ...string) {
	t.Helper()
	if err := c.SubscribeKnown(deadline(t), &feedv1.Subscribe{
		Symbols: symbols, Channels: []string{"quote", "trade"}, CadenceMs: proto.Uint32(0), History: proto.Uint32(1000),
	}); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, what string, c *client.Client, fn func(*client.Model) bool) {
	t.Helper()
	if err := c.Await(deadline(t), fn); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}
