package gate

import (
	"strings"
	"testing"
)

func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		list         []string
		origin, host string
		want         bool
	}{
		{nil, "", "feed.example.com", true},
		{nil, "https://feed.example.com", "feed.example.com", true},
		{nil, "https://FEED.example.com", "feed.example.com:443", true},
		{nil, "http://feed.example.com:8080", "feed.example.com:8080", true},
		{nil, "http://feed.example.com:8081", "feed.example.com:8080", false},
		{nil, "https://evil.com", "feed.example.com", false},
		{nil, "https://feed.example.com.evil.com", "feed.example.com", false},
		{nil, "null", "feed.example.com", false},
		{nil, "http://localhost:5173", "127.0.0.1:8080", true},
		{nil, "http://127.0.0.1:5173", "feed.example.com", true},
		{nil, "http://[::1]:5173", "feed.example.com", true},
		{nil, "http://localhost.evil.com", "feed.example.com", false},
		{nil, "file://", "feed.example.com", false},
		{[]string{"https://app.example.com"}, "https://app.example.com", "feed.example.com", true},
		{[]string{"https://app.example.com"}, "https://app.example.com:443", "feed.example.com", true},
		{[]string{"https://app.example.com"}, "http://app.example.com", "feed.example.com", false},
		{[]string{"https://app.example.com"}, "https://app.example.com.evil.com", "feed.example.com", false},
		{[]string{"https://app.example.com"}, "https://evil.com/https://app.example.com", "feed.example.com", false},
		{[]string{"https://app.example.com"}, "https://feed.example.com", "feed.example.com", false},
		{[]string{"https://app.example.com"}, "http://localhost:5173", "feed.example.com", false},
		{[]string{"https://app.example.com"}, "", "feed.example.com", true},
		{[]string{"https://app.example.com"}, "null", "feed.example.com", false},
		{[]string{"*"}, "null", "feed.example.com", true},
	} {
		o, err := newOrigins(c.list)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.allows(c.origin, c.host); got != c.want {
			t.Errorf("list %q: page of %q to %q: %v, want %v", c.list, c.origin, c.host, got, c.want)
		}
	}
	for _, bad := range []string{"app.example.com", "https://", "https://app.example.com/", "https://a b", "wss://app.example.com"} {
		if _, err := New(Options{Origins: []string{bad}}); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("origin %q in the list: %v", bad, err)
		}
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	strangers := Options{}
	strangers.Strangers.MaxMessage = 100
	for want, opt := range map[string]Options{
		"MaxMessage": {MaxMessage: 100},
		"MaxConns":   {MaxConns: -1},
		"NodeRate":   {NodeRate: -1},
		"Strangers":  strangers,
	} {
		if _, err := New(opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
