package lists

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/feedd/feedd/market"
)

// Bounds of a file. A pattern may have to look at every instrument, so a list holds few of them.
const (
	MaxFile     = 1 << 20 // bytes
	MaxLists    = 1000
	MaxEntries  = 1000 // of a list
	MaxPatterns = 16   // among them
	MaxName     = market.MaxSymbolLen - 1
)

// Set is the lists of one file. It never changes.
type Set struct {
	lists map[string]*list
	names []string // sorted
}

// list is one of them: its entries in the order of the file, and the same for looking up.
type list struct {
	entries  []string
	symbols  map[string]bool
	patterns []string
}

// Entries returns the symbols and patterns of a list, in the order of the file. The caller must not change them.
func (s *Set) Entries(name string) ([]string, bool) {
	l := s.lists[name]
	if l == nil {
		return nil, false
	}
	return l.entries, true
}

// Has reports whether a symbol stands in a list or fits one of its patterns.
func (s *Set) Has(name, symbol string) bool {
	l := s.lists[name]
	return l != nil && (l.symbols[symbol] || slices.ContainsFunc(l.patterns, func(p string) bool { return market.Fits(p, symbol) }))
}

// Names returns the names of all lists, sorted. The caller must not change them.
func (s *Set) Names() []string { return s.names }

// Parse reads the text of a file. The error names the line, what is wrong there and what would be right.
func Parse(text string) (*Set, error) {
	s := &Set{lists: make(map[string]*list)}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("a file of %d bytes: at most %d are allowed", len(text), MaxFile)
	}
	d := yaml.NewDecoder(strings.NewReader(text))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return s, nil
	case err != nil:
		return nil, explain(err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document: want one")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fault(root, "want lists by name, such as %s", example)
	}
	if n := len(root.Content) / 2; n > MaxLists {
		return nil, fmt.Errorf("%d lists: at most %d are allowed", n, MaxLists)
	}
	for i := 0; i < len(root.Content); i += 2 {
		if err := s.add(root.Content[i], root.Content[i+1]); err != nil {
			return nil, err
		}
	}
	slices.Sort(s.names)
	return s, nil
}

const example = `majors: [binance:BTCUSDT, "binance:ETH*"]`

// explain adds to an error of the parser what people stumble over: a star begins an alias in YAML.
func explain(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.Contains(text, "anchor") || strings.Contains(text, "alias") {
		return fmt.Errorf(`%s; a pattern that begins with * needs quotes, such as "*:BTC*"`, text)
	}
	return errors.New(text)
}

func fault(at *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: %s", at.Line, fmt.Sprintf(format, args...))
}

func (s *Set) add(key, value *yaml.Node) error {
	name := key.Value
	if err := checkName(name); key.Kind != yaml.ScalarNode || err != nil {
		return fault(key, "list %q: %v", name, err)
	}
	if _, twice := s.lists[name]; twice {
		return fault(key, "list %q is there already: give each name once", name)
	}
	if value.Kind != yaml.SequenceNode {
		return fault(value, "list %q: want a list of symbols, such as %s", name, example)
	}
	if n := len(value.Content); n > MaxEntries {
		return fault(value, "list %q has %d entries: at most %d are allowed", name, n, MaxEntries)
	}
	l := &list{symbols: make(map[string]bool)}
	for _, item := range value.Content {
		entry := item.Value
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			return fault(item, "list %q: want a symbol or a pattern as an entry, such as binance:BTCUSDT", name)
		}
		if err := checkEntry(entry); err != nil {
			return fault(item, "list %q: %v", name, err)
		}
		switch {
		case l.symbols[entry] || slices.Contains(l.patterns, entry):
			return fault(item, "list %q: %q is there already", name, entry)
		case strings.Contains(entry, "*"):
			l.patterns = append(l.patterns, entry)
		default:
			l.symbols[entry] = true
		}
		l.entries = append(l.entries, entry)
	}
	if n := len(l.patterns); n > MaxPatterns {
		return fault(value, "list %q has %d patterns: at most %d are allowed; name the symbols", name, n, MaxPatterns)
	}
	s.lists[name] = l
	s.names = append(s.names, name)
	return nil
}

func checkName(name string) error {
	ok := name != "" && len(name) <= MaxName
	for i := range len(name) {
		c := name[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._-", c) >= 0)
	}
	if !ok {
		return fmt.Errorf("want a name of 1 to %d letters, digits, dots, dashes and underscores", MaxName)
	}
	return nil
}

func checkEntry(entry string) error {
	if !strings.Contains(entry, "*") {
		_, err := market.ParseSymbol(entry)
		return err
	}
	if len(entry) > market.MaxSymbolLen {
		return fmt.Errorf("pattern of %d bytes: at most %d are allowed", len(entry), market.MaxSymbolLen)
	}
	for i := range len(entry) {
		if entry[i] <= ' ' || entry[i] == 0x7f {
			return fmt.Errorf("pattern %q: holds a space or control character", entry)
		}
	}
	return nil
}
