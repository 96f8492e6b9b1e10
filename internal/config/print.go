package config

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Print writes all settings as a file that could be read again, each with where its value comes from unless that is
// the default. Secrets are hidden.
func (c *Config) Print(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range c.settings {
		at := root
		parts := strings.Split(s.Path, ".")
		for _, part := range parts[:len(parts)-1] {
			at = child(at, part)
		}
		value := &yaml.Node{Kind: yaml.ScalarNode, Value: s.String()}
		if s.source != Default {
			value.LineComment = "from " + s.place
		}
		if value.Value == "" {
			value.Style = yaml.DoubleQuotedStyle
		}
		at.Content = append(at.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: parts[len(parts)-1]}, value)
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return err
	}
	return e.Close()
}

// child returns the mapping below a key, and makes it where there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	below := &yaml.Node{Kind: yaml.MappingNode}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, below)
	return below
}

const docsHead = `# Configuration

<!-- Written by "make generate" from internal/config/settings.go: edit that. -->

Every setting has a default, a key in a YAML file, and a variable; most have a flag. Later ones win:

	defaults < file (--config FILE or FEEDD_CONFIG) < environment < flags

A file holds what differs from the defaults, and nothing is guessed: a key that is unknown or stands twice, and a value
that is out of range, keep feedd from starting, with the line and what would be right.

	listen: 0.0.0.0:8080
	nats:
	  url: nats://feedd:${file:/run/secrets/nats}@nats-1:4222,nats://feedd:${file:/run/secrets/nats}@nats-2:4222
	log:
	  format: json

**Secrets** stay out of files, arguments and logs: any value may hold ` + "`${file:PATH}`" + `, which stands for what a file
holds without the white space around it, or ` + "`${env:NAME}`" + `.

| command | |
|---|---|
| ` + "`feedd check`" + ` | reads all of it, and what it refers to, and tells everything that is wrong; takes the flags of ` + "`serve`" + ` |
| ` + "`feedd config print`" + ` | what holds, and where each value comes from; secrets are hidden |
`

// WriteDocs writes docs/configuration.md.
func WriteDocs(w io.Writer) error {
	var b strings.Builder
	b.WriteString(docsHead)
	settings := New().Settings()
	for _, section := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| key | flag | variable | default | |\n|---|---|---|---|---|\n", section.title)
		for _, s := range settings {
			if of, _, nested := strings.Cut(s.Path, "."); nested && of != section.name || !nested && section.name != "" {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", code(s.Path), code(dashed(s.Flag)), code(s.Env), code(s.initial), cell(s.Doc))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func dashed(flag string) string {
	if flag == "" {
		return ""
	}
	return "--" + flag
}

// cell is a text for a table of Markdown.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
