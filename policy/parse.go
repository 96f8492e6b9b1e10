package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const emptyText = "the policy is empty: it needs at least one tier, as in\ntiers:\n  default: {}"

// Parse reads a policy. The error is Problems, all of them; the Document is in order where there is none.
func Parse(text []byte) (*Document, error) {
	root, problems := read(text)
	if len(problems) > 0 {
		return nil, problems
	}
	d := new(Document)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(d); err != nil {
		problems = explain(err)
	}
	problems = append(problems, findNulls(root, "")...)
	if len(problems) > 0 {
		return nil, problems.sorted()
	}
	c := checker{document: d, root: root}
	c.check()
	if len(c.problems) > 0 {
		return nil, c.problems.sorted()
	}
	d.root = root
	return d, nil
}

// read returns the nodes of a text that is YAML and of a bearable size.
func read(text []byte) (*yaml.Node, Problems) {
	if len(text) > MaxBytes {
		return nil, Problems{{Text: fmt.Sprintf("the policy has %d bytes: at most %d are allowed", len(text), MaxBytes)}}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	root := new(yaml.Node)
	switch err := decoder.Decode(root); {
	case errors.Is(err, io.EOF):
		return nil, Problems{{Text: emptyText}}
	case err != nil:
		return nil, explain(err)
	}
	top := root.Content[0]
	if top.Tag == "!!null" {
		return nil, Problems{{Text: emptyText}}
	}
	if top.Kind != yaml.MappingNode {
		return nil, Problems{{Line: top.Line, Text: "got something else than keys and values: a policy begins with \"tiers:\""}}
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, Problems{{Text: "more than one YAML document: a policy is one"}}
	}
	return top, nil
}

// findNulls finds keys without a value, which the decoder would pass over as if they were not there.
func findNulls(n *yaml.Node, path string) (all Problems) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			all = append(all, findNulls(n.Content[i+1], join(path, n.Content[i].Value))...)
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			all = append(all, findNulls(item, join(path, strconv.Itoa(i)))...)
		}
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			all = Problems{{Line: n.Line, Path: path, Text: "has no value: leave it out, or write {} for nothing but what is built in"}}
		}
	}
	return all
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// lineOf returns the line of the value at a path, or of the nearest one above it that the text has.
func lineOf(n *yaml.Node, path ...string) int {
	if n == nil {
		return 0
	}
	line := n.Line
	for _, name := range path {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		key, value := child(n, name)
		if value == nil {
			return line
		}
		n, line = value, key.Line
	}
	return line
}

// child returns the key and the value of a name in n, or twice the entry of a list.
func child(n *yaml.Node, name string) (key, value *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == name {
				return n.Content[i], n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && i < len(n.Content) {
			return n.Content[i], n.Content[i]
		}
	}
	return nil, nil
}

// quoted lists names for a message.
func quoted(names []string) string { return strings.Join(names, ", ") }
