package main

import (
	"io"
	"net"
	"path/filepath"
	"testing"
)

func TestSimulatedMarketByDefaultOnlyWhereNATSIsInside(t *testing.T) {
	for _, c := range []struct {
		args []string
		want bool
	}{
		{nil, true},
		{[]string{"--sim", "off"}, false},
		{[]string{"--nats-url", "nats://a:1,nats://b:2"}, false},
		{[]string{"--nats-url", "nats://a:1", "--sim", "on"}, true},
	} {
		o, err := parseServe(c.args, io.Discard)
		if err != nil || o.simulate != c.want {
			t.Errorf("%v: simulates %v, %v; want %v", c.args, o != nil && o.simulate, err, c.want)
		}
	}
}

func TestDataLiesInTheStateDirectory(t *testing.T) {
	t.Setenv("HOME", "/home/ada")
	for state, want := range map[string]string{
		"": "/home/ada/.local/state/feedd", "/state": "/state/feedd", "relative": "/home/ada/.local/state/feedd",
	} {
		t.Setenv("XDG_STATE_HOME", state)
		if got, err := stateDir(); err != nil || got != filepath.FromSlash(want) {
			t.Errorf("XDG_STATE_HOME=%q: %q, %v; want %q", state, got, err, want)
		}
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := parseServe(nil, io.Discard); err == nil {
		t.Error("no home directory: accepted")
	}
	if _, err := parseServe([]string{"--nats-url", "nats://a:1"}, io.Discard); err != nil {
		t.Errorf("no home directory, and none needed: %v", err)
	}
}

func TestAddressesThatCanBeOpened(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:80": "127.0.0.1:80", "0.0.0.0:80": "localhost:80", "[::]:80": "localhost:80", "[::1]:80": "[::1]:80",
	} {
		a, err := net.ResolveTCPAddr("tcp", text)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(a); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestPasswordsStayOffTheTerminal(t *testing.T) {
	if got := redact("nats://ada:secret@a:1, nats://b:2"); got != "nats://ada:xxxxx@a:1,nats://b:2" {
		t.Errorf("got %q", got)
	}
}

func TestClientsLeaveDescriptorsAlone(t *testing.T) {
	for _, c := range []struct{ limit, clients, ceiling int }{
		{0, 0, 0}, {64, 10, 48}, {256, 136, 192}, {1024, 640, 768}, {20_000, 19_000, 19_744}, {1 << 20, 19_000, 1<<20 - 256},
	} {
		if clients, ceiling := descriptors(c.limit); clients != c.clients || ceiling != c.ceiling {
			t.Errorf("of %d descriptors clients get %d below %d, want %d below %d", c.limit, clients, ceiling, c.clients, c.ceiling)
		}
	}
}
