package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/feedd/feedd/internal/spelling"
)

// maxFile bounds a file, in bytes.
const maxFile = 1 << 20

// ReadFile sets what a YAML file says. The error joins one for each mistake, each with the file and the line.
func (c *Config) ReadFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // was only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return err
	case len(b) > maxFile:
		return fmt.Errorf("%s is larger than %d bytes: that is no configuration", path, maxFile)
	}
	return c.parse(path, string(b))
}

func (c *Config) parse(name, content string) error {
	d := yaml.NewDecoder(strings.NewReader(content))
	var doc yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil // nothing but comments
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	r := reading{config: c, name: name}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		r.failf(&doc, "more than one document: want one")
	}
	r.section("", doc.Content[0])
	return errors.Join(r.problems...)
}

// reading is one pass over a file.
type reading struct {
	config   *Config
	name     string
	problems []error
}

func (r *reading) failf(at *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s:%d: %w", r.name, at.Line, fmt.Errorf(format, args...)))
}

// section reads the keys below a path, which is "" at the top.
func (r *reading) section(path string, n *yaml.Node) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		if path == "" {
			r.failf(n, "want keys and values, such as \"listen: 127.0.0.1:8080\"")
		} else {
			r.failf(n, "%s: want keys below it: %s", path, strings.Join(r.config.below(path), ", "))
		}
		return
	}
	lines := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		if before := lines[key.Value]; before != 0 {
			r.failf(key, "%s stands twice, in line %d too", join(path, key.Value), before)
			continue
		}
		lines[key.Value] = key.Line
		r.key(path, key, value)
	}
}

func (r *reading) key(section string, key, value *yaml.Node) {
	path := join(section, key.Value)
	if s := r.config.find(path); s != nil {
		r.value(s, key, value)
		return
	}
	if len(r.config.below(path)) > 0 {
		r.section(path, value)
		return
	}
	if near := r.config.suggest(section, key.Value); near != "" {
		r.failf(key, "unknown key %q: did you mean %s?", path, near)
		return
	}
	r.failf(key, "unknown key %q: want one of %s", path, strings.Join(r.config.below(section), ", "))
}

func (r *reading) value(s *Setting, key, value *yaml.Node) {
	raw := value.Value
	switch {
	case value.Kind == yaml.SequenceNode && s.separator != "":
		entries := make([]string, 0, len(value.Content))
		for _, entry := range value.Content {
			if entry = resolve(entry); entry.Kind != yaml.ScalarNode || strings.Contains(entry.Value, s.separator) {
				r.failf(entry, "%s: want a list of %s", s.Path, listed[s.separator])
				return
			}
			entries = append(entries, entry.Value)
		}
		raw = strings.Join(entries, s.separator)
	case value.Kind != yaml.ScalarNode:
		r.failf(value, "%s: want one value, not a list or further keys", s.Path)
		return
	case value.Tag == "!!null":
		r.failf(key, "%s has no value: leave the key out for the default, or write \"\" for an empty text", s.Path)
		return
	}
	if err := s.Set(File, fmt.Sprintf("%s:%d", r.name, key.Line), raw); err != nil {
		r.failf(value, "bad value %q for %s: %w", s.shown(raw), s.Path, err)
	}
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func join(section, key string) string {
	if section == "" {
		return key
	}
	return section + "." + key
}

func (c *Config) find(path string) *Setting {
	for _, s := range c.settings {
		if s.Path == path {
			return s
		}
	}
	return nil
}

// below returns the keys right below a path, each once.
func (c *Config) below(path string) (keys []string) {
	for _, s := range c.settings {
		rest := s.Path
		if path != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(s.Path, path+"."); !ok {
				continue
			}
		}
		key, _, _ := strings.Cut(rest, ".")
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// suggest returns what a key below a section may have been meant to be; "": nothing is near.
func (c *Config) suggest(section, key string) string {
	for _, s := range c.settings {
		// A flag, a variable, or the last part of a key that belongs into another section.
		if s.Flag == key || s.Env == key || strings.HasSuffix(s.Path, "."+key) {
			return s.Path
		}
	}
	if near := spelling.Nearest(key, c.below(section)); near != "" {
		return join(section, near)
	}
	paths := make([]string, 0, len(c.settings))
	for _, s := range c.settings {
		paths = append(paths, s.Path)
	}
	return spelling.Nearest(join(section, key), paths)
}

// listed says what the entries of a list are, by what separates them.
var listed = map[string]string{",": "words without commas", ";": "texts without semicolons"}
