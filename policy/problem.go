package policy

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/feedd/feedd/internal/spelling"
)

// Problem is one thing that is wrong with a policy.
type Problem struct {
	Line int    `json:"line"`           // from 1; 0: all of it
	Path string `json:"path,omitempty"` // of the value, such as tiers.free.fastest
	Text string `json:"text"`           // what is wrong and what would be right
}

// String returns "line 3: tiers.free: …".
func (p Problem) String() string {
	text := p.Text
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	if p.Line > 0 {
		text = fmt.Sprintf("line %d: %s", p.Line, text)
	}
	return text
}

// Problems are all that are wrong, in the order of lines. They are the error of a policy that is refused.
type Problems []Problem

// Error returns a line for each.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// ProblemsOf returns the problems that an error of Parse holds, or the error as the one problem.
func ProblemsOf(err error) Problems {
	var p Problems
	if errors.As(err, &p) {
		return p
	}
	return Problems{{Text: err.Error()}}
}

func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return slices.Compact(p)
}

var (
	atLine     = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	unknownKey = regexp.MustCompile(`^field (.*) not found in type policy\.(\w+)$`)
	badType    = regexp.MustCompile("^cannot unmarshal (\\S+)(?: `(.*)`)? into (\\S+)$")
	twice      = regexp.MustCompile(`^mapping key "(.*)" already defined at line (\d+)$`)
)

// explain turns what the decoder says into problems in the words of operators.
func explain(err error) Problems {
	texts := []string{err.Error()}
	if wrong, ok := err.(*yaml.TypeError); ok { //nolint:errorlint // the decoder returns it as it is
		texts = wrong.Errors
	}
	var all Problems
	for _, text := range texts {
		p := Problem{Text: strings.TrimPrefix(text, "yaml: ")}
		if m := atLine.FindStringSubmatch(text); m != nil {
			p.Line, _ = strconv.Atoi(m[1]) // digits, or it would not match
			p.Text = m[2]
		}
		p.Text = reword(p.Text)
		all = append(all, p)
	}
	return all.sorted()
}

func reword(text string) string {
	if m := unknownKey.FindStringSubmatch(text); m != nil {
		known := keysOf(m[2])
		if near := spelling.Nearest(m[1], known); near != "" {
			return fmt.Sprintf("unknown key %q: did you mean %s?", clip(m[1]), near)
		}
		return fmt.Sprintf("unknown key %q: want one of %s", clip(m[1]), strings.Join(known, ", "))
	}
	if m := twice.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s stands here a second time; it stands on line %s already", clip(m[1]), m[2])
	}
	if m := badType.FindStringSubmatch(text); m != nil {
		got := map[string]string{"!!map": "keys and values", "!!seq": "a list"}[m[1]]
		if got == "" {
			got = strconv.Quote(clip(m[2]))
		}
		return fmt.Sprintf("got %s, want %s", got, kindOf(m[3]))
	}
	return text
}

// kindOf says what a Go type is in YAML.
func kindOf(goType string) string {
	switch {
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a text"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	}
	return "keys and values"
}

// keysOf returns the keys of the type of a name.
func keysOf(name string) []string {
	for _, t := range []any{Document{}, Tier{}, Adaptive{}, History{}, Rule{}, Stop{}} {
		if t := reflect.TypeOf(t); t.Name() == name {
			return keys(t)
		}
	}
	return nil
}

func keys(t reflect.Type) (all []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if options == "inline" {
			all = append(all, keys(f.Type)...)
			continue
		}
		all = append(all, name)
	}
	return all
}
