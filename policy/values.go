package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// Cadence is a rung of the ladder: immediate, 20ms, 50ms, 100ms, 250ms, 500ms, 1s, 2s or 5s.
type Cadence throttle.Cadence

// Depth is levels a side of a book: 1, 5, 10, 20, 50, 100 or all.
type Depth uint8

// Bytes is a number of bytes, such as 64kB (1000) or 64KiB (1024), or none for no ceiling.
type Bytes int

// Count is a whole number.
type Count int

// Percent is a share such as 25%, from 1% to 100%.
type Percent int

// Span is a length of time such as 250ms or 3s.
type Span time.Duration

// Time is a moment as in 2026-01-31T18:00:00Z (RFC 3339).
type Time struct{ time.Time }

// Timeliness is realtime, delayed or none.
type Timeliness throttle.Timeliness

// LeastBytes and MostBytes are the bounds of a ceiling. Below the least hardly a row a second would go through.
const (
	LeastBytes = 1000
	MostBytes  = 1 << 30
)

// CadenceNames are the rungs as they are written.
func CadenceNames() (names []string) {
	for c := range throttle.Cadences {
		names = append(names, c.String())
	}
	return names
}

// DepthNames are the depths of books as they are written.
func DepthNames() (names []string) {
	for _, d := range market.Depths {
		names = append(names, strconv.Itoa(int(d)))
	}
	return append(names, "all")
}

// TimelinessNames are written so.
func TimelinessNames() (names []string) {
	for t := range throttle.Timelinesses {
		names = append(names, t.String())
	}
	return names
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (c *Cadence) UnmarshalYAML(n *yaml.Node) error {
	names := CadenceNames()
	if i := slices.Index(names, n.Value); i >= 0 && n.Kind == yaml.ScalarNode {
		*c = Cadence(i)
		return nil
	}
	hint := ""
	if d, err := time.ParseDuration(n.Value); err == nil {
		near, exact := throttle.Round(d)
		switch {
		case d <= 0:
			hint = `; for at once write "immediate"`
		case exact:
			hint = fmt.Sprintf("; write %q", near)
		default:
			hint = fmt.Sprintf("; the next slower one is %q", near)
		}
	}
	return wrong(n, "a cadence of the ladder (%s)%s", strings.Join(names, ", "), hint)
}

// MarshalYAML implements yaml.Marshaler.
func (c Cadence) MarshalYAML() (any, error) { return throttle.Cadence(c).String(), nil }

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *Depth) UnmarshalYAML(n *yaml.Node) error {
	names := DepthNames()
	i := slices.Index(names, n.Value)
	switch {
	case i < 0 || n.Kind != yaml.ScalarNode:
		return wrong(n, "a depth of a book (%s)", strings.Join(names, ", "))
	case i < len(market.Depths):
		*d = Depth(market.Depths[i])
	default:
		*d = 0
	}
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (d Depth) MarshalYAML() (any, error) {
	if d == 0 {
		return "all", nil
	}
	return int(d), nil
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *Timeliness) UnmarshalYAML(n *yaml.Node) error {
	names := TimelinessNames()
	i := slices.Index(names, n.Value)
	if i < 0 || n.Kind != yaml.ScalarNode {
		return wrong(n, "one of %s", strings.Join(names, ", "))
	}
	*t = Timeliness(i)
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (t Timeliness) MarshalYAML() (any, error) { return throttle.Timeliness(t).String(), nil }

// UnmarshalYAML implements yaml.Unmarshaler. The decoder by itself takes 1.5 for 1.
func (c *Count) UnmarshalYAML(n *yaml.Node) error {
	number, err := strconv.Atoi(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return wrong(n, "a whole number")
	}
	*c = Count(number)
	return nil
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (p *Percent) UnmarshalYAML(n *yaml.Node) error {
	digits, ok := strings.CutSuffix(n.Value, "%")
	number, err := strconv.Atoi(digits)
	if !ok || err != nil || n.Kind != yaml.ScalarNode || number < 1 || number > 100 {
		return wrong(n, "a share from 1%% to 100%%")
	}
	*p = Percent(number)
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (p Percent) MarshalYAML() (any, error) { return strconv.Itoa(int(p)) + "%", nil }

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *Span) UnmarshalYAML(n *yaml.Node) error {
	d, err := time.ParseDuration(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return wrong(n, "a length of time such as 250ms or 3s")
	}
	*s = Span(d)
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (s Span) MarshalYAML() (any, error) { return time.Duration(s).String(), nil }

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *Time) UnmarshalYAML(n *yaml.Node) error {
	at, err := time.Parse(time.RFC3339, n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return wrong(n, "a time such as 2026-01-31T18:00:00Z")
	}
	t.Time = at
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (t Time) MarshalYAML() (any, error) { return t.Time, nil }

var byteUnits = []struct {
	suffix string
	size   int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1}}

func parseBytes(text string) (int, error) {
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(digits))
		if err != nil || n < LeastBytes/u.size || n > MostBytes/u.size {
			return 0, errors.New("out of range")
		}
		return n * u.size, nil
	}
	return 0, errors.New("no unit")
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (b *Bytes) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Value == "none" {
		*b = 0
		return nil
	}
	size, err := parseBytes(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode || size < LeastBytes {
		return wrong(n, "bytes a second from 1kB to 1GiB, such as 64kB, or none")
	}
	*b = Bytes(size)
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (b Bytes) MarshalYAML() (any, error) {
	if b == 0 {
		return "none", nil
	}
	for _, u := range byteUnits[:7] {
		if int(b)%u.size == 0 {
			return strconv.Itoa(int(b)/u.size) + u.suffix, nil
		}
	}
	return strconv.Itoa(int(b)), nil
}

// wrong is how a value says what it should have been: an error that lets the decoder go on and find others.
func wrong(n *yaml.Node, format string, args ...any) error {
	value := n.Value
	if n.Kind != yaml.ScalarNode {
		value = map[yaml.Kind]string{yaml.MappingNode: "a map", yaml.SequenceNode: "a list"}[n.Kind]
	}
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: got %q, want %s", n.Line, clip(value), fmt.Sprintf(format, args...))}}
}

// clip keeps a message short, whatever it quotes.
func clip(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
