package policy

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// WithStop returns a policy's text with one more stop, its comments kept. The error is Problems where s is not in order.
func WithStop(text string, s *Stop) (string, error) {
	top, err := nodesOf(text)
	if err != nil {
		return "", err
	}
	entry := new(yaml.Node)
	if err := entry.Encode(s); err != nil {
		return "", fmt.Errorf("encoding a stop: %w", err)
	}
	_, list := child(top, "stops")
	if list == nil {
		list = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		top.Content = append(top.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "stops"}, list)
	}
	list.Content = append(list.Content, entry)
	return written(top)
}

// WithoutStop returns a policy's text without the stop of a name, or ErrNotFound.
func WithoutStop(text, name string) (string, error) {
	top, err := nodesOf(text)
	if err != nil {
		return "", err
	}
	_, list := child(top, "stops")
	if list == nil {
		return "", fmt.Errorf("stop %q: %w", clip(name), ErrNotFound)
	}
	kept := make([]*yaml.Node, 0, len(list.Content))
	for _, entry := range list.Content {
		if _, value := child(entry, "name"); value == nil || value.Value != name {
			kept = append(kept, entry)
		}
	}
	if len(kept) == len(list.Content) {
		return "", fmt.Errorf("stop %q: %w", clip(name), ErrNotFound)
	}
	if list.Content = kept; len(kept) == 0 {
		drop(top, "stops")
	}
	return written(top)
}

func nodesOf(text string) (*yaml.Node, error) {
	top, problems := read([]byte(text))
	if len(problems) > 0 {
		return nil, problems
	}
	return top, nil
}

func drop(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = append(n.Content[:i], n.Content[i+2:]...)
			return
		}
	}
}

// written returns the text of nodes, which must be a policy in order.
func written(top *yaml.Node) (string, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(top); err != nil {
		return "", fmt.Errorf("writing a policy: %w", err)
	}
	if _, err := Parse(b.Bytes()); err != nil {
		return "", err
	}
	return b.String(), nil
}
