package footprint

import (
	"runtime"
	"testing"
	"time"
)

func TestMemoryOfAContainer(t *testing.T) {
	for text, want := range map[string]int64{"max\n": 0, "": 0, "1000000000\n": 850_000_000, "-1": 0, "9223372036854771712": 0} {
		if got := containerLimit(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestWhatIsTakenIsMeasured(t *testing.T) {
	r := NewReader()
	held := make([]byte, 64<<20)
	runtime.GC()
	if m := r.Memory(); m < 64<<20 {
		t.Errorf("%d bytes live, with 64 MiB held", m)
	}
	runtime.KeepAlive(held)
	share := 0.0
	for begun := time.Now(); share == 0 && time.Since(begun) < time.Minute; {
		share = r.CPU()
	}
	if share <= 0 {
		t.Error("no processor time is measured")
	}
}
