package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/client"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Sessions of the tiers with the lowest priority are sent away first, a few at a time.
func TestTheLeastImportantGoFirst(t *testing.T) {
	key := filepath.Join(t.TempDir(), "dev.key")
	plans := write(t, "policy.yaml", "default_tier: free\ntiers:\n  free: {}\n  silver: {priority: 5}\n  gold: {priority: 10}\n")
	var log logbook
	s := node(t, &log, "--auth-dev-key", key, "--policy", plans)
	tiers := []string{"gold", "free", "silver", "free", "gold", "silver"}
	var clients []*client.Client
	for i, tier := range tiers {
		status, token, errs := run(t, t.Context(), "token", "--key", key, "--user", "u"+string(rune('0'+i)), "--tier", tier, "--may", "*")
		if status != exitOK {
			t.Fatal(errs)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c, err := client.Dial(ctx, s.url(), client.Options{Token: strings.TrimSpace(token)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if _, err := c.Subscribe(ctx, &feedv1.Subscribe{Symbols: []string{"sim:*"}}); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	gone := func(tier string) (n int) {
		for i, c := range clients {
			if tiers[i] == tier && c.Err() != nil {
				n++
			}
		}
		return n
	}
	for i, want := range [][3]int{{1, 0, 0}, {2, 0, 0}, {2, 1, 0}, {2, 2, 0}, {2, 2, 1}, {2, 2, 2}} {
		s.lookout.shed()
		eventually(t, func() (bool, string) {
			_, body := s.visit(t, "/metrics")
			open, _ := metric(t, body, "feedd_connections")
			return gone("free")+gone("silver")+gone("gold") == i+1 && int(open) == len(clients)-i-1, "nobody is sent away"
		})
		if got := [3]int{gone("free"), gone("silver"), gone("gold")}; got != want {
			t.Fatalf("after %d: %v of free, silver and gold are gone, want %v", i+1, got, want)
		}
	}
	s.lookout.shed() // nobody is left
	if log := log.String(); strings.Contains(log, "eyJ") {
		t.Errorf("a token is in the log:\n%s", log)
	}
}

// Passwords that settings hold or refer to are in no line of the log, whatever goes wrong.
func TestSecretsAreNotLogged(t *testing.T) {
	const secret = "hunter2"
	password := write(t, "nats", secret)
	for _, url := range []string{"nats://ada:" + secret + "@127.0.0.1:1", "nats://ada:${file:" + password + "}@127.0.0.1:1"} {
		ctx, interrupt := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, out, errs := run(t, ctx, "--nats-url", url, "--log-level", "debug", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
		interrupt()
		if strings.Contains(out+errs, secret) {
			t.Errorf("%s:\n%s%s", url, out, errs)
		}
	}
}
