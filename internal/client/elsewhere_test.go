package client

import (
	"slices"
	"testing"
	"time"

	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

func TestElsewhere(t *testing.T) {
	e := NewElsewhere("wss://own/")
	take := func(n int) (urls []string) {
		for range n {
			urls = append(urls, e.Next())
		}
		return urls
	}
	want := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	want("nobody was told of", take(3), "wss://own/", "wss://own/", "wss://own/")
	e.Note(&feedv1.ServerFrame{Welcome: &feedv1.Welcome{Alternates: []string{"wss://a/", "ws://plain/", "https://odd/", "wss://b/"}}})
	want("by turns", take(5), "wss://own/", "wss://a/", "wss://own/", "wss://b/", "wss://own/")
	e.Note(&feedv1.ServerFrame{Goaway: &feedv1.GoAway{ReconnectMinMs: 1000, ReconnectMaxMs: 2000, Alternates: []string{"wss://c/"}}})
	for range 100 {
		e.Note(&feedv1.ServerFrame{Goaway: &feedv1.GoAway{ReconnectMinMs: 1000, ReconnectMaxMs: 2000, Alternates: []string{"wss://c/"}}})
		if w := e.Wait(0, 0); w < time.Second || w > 2*time.Second {
			t.Fatalf("a wait of %v, want 1 s to 2 s", w)
		}
	}
	want("sent away", take(2), "wss://c/", "wss://a/")
	if w := e.Wait(time.Minute, time.Minute); w != time.Minute {
		t.Errorf("a wait of %v that was asked for once", w)
	}
}
