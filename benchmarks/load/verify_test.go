package load

import (
	"strings"
	"testing"

	"github.com/feedd/feedd/benchmarks/internal/fake"
)

// A server that is fast, and wrong in one row out of thousands, does not pass: at once where no tick could be so, else at the end,
// when all that was published is known. And one that is right passes.
func TestSmallLiesAreFoundOut(t *testing.T) {
	for name, c := range map[string]struct {
		lie  fake.Lie
		at   int    // which cut has it; the 31st merges ticks, the 32nd does not
		want string // in the words of a problem; "": it is none
	}{
		"none":                    {fake.Honest, 32, ""},
		"a wrong number":          {fake.Wrong, 32, "no tick had the values"},
		"a quote of before":       {fake.Stale, 32, "no tick behind the row before it"},
		"a row left out":          {fake.LeftOut, 32, "ticks, by rows and as merged"},
		"a difference left out":   {fake.Dropped, 32, "no tick had the values"},
		"a difference twice":      {fake.Twice, 32, "no tick had the values"},
		"a number of before":      {fake.Back, 32, "no tick behind the row before it"},
		"a tick too many counted": {fake.Counted, 31, "ticks, by rows and as merged"},
		"a tick not counted":      {fake.Silent, 31, "ticks, by rows and as merged"},
	} {
		t.Run(name, func(t *testing.T) {
			server := fake.New(t, instruments)
			cfg := config(server.Address)
			cfg.Groups[0].Sessions, cfg.Groups[0].Probes = 3, 3
			l := connect(t, cfg)
			const cuts = 60
			for n := range cuts {
				if n%7 == 3 { // the 31st is one of those
					server.Tick()
				}
				lie := fake.Honest
				if n == c.at {
					lie = c.lie
				}
				server.Cut(lie)
			}
			w := until(t, l, "all frames", func(w Window) bool { return w.Frames >= 3*cuts })
			v, err := l.Verify(server.Market())
			if err != nil {
				t.Fatal(err)
			}
			told := strings.Join(append(w.Probes.Texts, v.Texts...), "\n")
			switch {
			case c.want == "" && (w.Probes.Problems+int64(v.Problems) != 0 || v.Counted != 3 || v.Rows != 3*5*(cuts+1)):
				t.Errorf("of an honest server: %+v, %d problems: %s", v, w.Probes.Problems, told)
			case !strings.Contains(told, c.want):
				t.Errorf("%d problems and %+v; want %q in %q", w.Probes.Problems, v, c.want, told)
			}
		})
	}
}
