package spelling

import "testing"

func TestNearest(t *testing.T) {
	candidates := []string{"listen", "lists", "nats-url", "log-level"}
	for name, want := range map[string]string{
		"listne": "listen", "list": "lists", "nats-uri": "nats-url", "loglevel": "log-level", "": "", "xyzzy": "", "listen": "listen",
	} {
		if got := Nearest(name, candidates); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
