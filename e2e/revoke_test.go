package e2e

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/natsserver"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// One word to NATS, and a user is out on three nodes; one that starts later knows. How long it takes is told, not judged.
func TestRevocationReachesAllNodes(t *testing.T) {
	t.Parallel()
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	key := filepath.Join(t.TempDir(), "dev.key")
	ada, eve := mint(t, key, "ada", "--may", "*"), mint(t, key, "eve", "--may", "*", "--id", "t-eve")
	node := func() *process {
		return serve(t, "--nats-url", ns.URL(), "--auth-dev-key", key, "--sim", "off", "--checkpoint-every", "0")
	}
	nodes := []*process{node(), node(), node()}
	var shut, stay []*client.Client
	for _, n := range nodes {
		shut = append(shut, dialWhenKnown(t, n, ada), dialWhenKnown(t, n, ada))
		stay = append(stay, dialWhenKnown(t, n, eve))
	}
	said := time.Now()
	order := command(t, "revoke", "--nats-url", ns.URL(), "--user", "ada", "--reason", "contract ended")
	var last time.Duration
	for _, c := range shut {
		select {
		case <-c.Done():
			last = max(last, time.Since(said))
		case <-time.After(within):
			t.Fatal("a client of the user is still there")
		}
		var closed *client.CloseError
		if !errors.As(c.Err(), &closed) || closed.Code != 4511 || closed.Reason != "contract ended" {
			t.Errorf("ended by %v", c.Err())
		}
	}
	if code := order.Wait(); code != 0 {
		t.Fatalf("feedd revoke: %s", order.Stderr())
	}
	t.Logf("six clients on three nodes were out %v after the command was started", last.Round(time.Millisecond))
	for _, c := range stay {
		if err := c.Err(); err != nil {
			t.Errorf("another user is out: %v", err)
		}
	}

	nodes = append(nodes, node())
	for i, n := range nodes {
		if _, err := dialOnce(t, n, ada); !isUnauthenticated(err) {
			t.Errorf("node %d lets the user in: %v", i, err)
		}
	}
	stay = append(stay, dialWhenKnown(t, nodes[3], eve))
	for said := time.Now().Unix(); time.Now().Unix() == said; { // tokens say when they were made to the second
		time.Sleep(50 * time.Millisecond)
	}
	fresh := mint(t, key, "ada", "--may", "*")
	dialWhenKnown(t, nodes[3], fresh) // signed in again

	order = command(t, "revoke", "--nats-url", ns.URL(), "--token", "t-eve")
	for _, c := range stay {
		select {
		case <-c.Done():
		case <-time.After(within):
			t.Fatal("a client with the token is still there")
		}
	}
	if code := order.Wait(); code != 0 {
		t.Fatalf("feedd revoke: %s", order.Stderr())
	}
}

func isUnauthenticated(err error) bool {
	var refused *client.Error
	return errors.As(err, &refused) && refused.Code == feedv1.ErrorCode_ERROR_CODE_UNAUTHENTICATED && refused.Text == "the token has been revoked; sign in again"
}

func dialOnce(t *testing.T, p *process, token string) (*client.Client, error) {
	t.Helper()
	for {
		c, err := client.Dial(deadline(t), p.WebSocket(), client.Options{Token: token})
		var refused *client.Error
		if errors.As(err, &refused) && refused.Text == "tokens cannot be checked at the moment; try again in a few seconds" {
			time.Sleep(50 * time.Millisecond) // the node has yet to hear of earlier revocations
			continue
		}
		if err == nil {
			t.Cleanup(c.Close)
		}
		return c, err
	}
}

func dialWhenKnown(t *testing.T, p *process, token string) *client.Client {
	t.Helper()
	c, err := dialOnce(t, p, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
