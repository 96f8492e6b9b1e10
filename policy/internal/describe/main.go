// Command describe writes the JSON Schema and the reference of policies from the types of package policy and their comments.
// Run it at the root of the module; "make generate" does.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// outputs are the files that are written, by path from the root of the module.
func outputs(root string) (map[string][]byte, error) {
	comments, err := readComments(filepath.Join(root, "policy"))
	if err != nil {
		return nil, err
	}
	schema, err := schemaOf(comments)
	if err != nil {
		return nil, err
	}
	reference, err := referenceOf(comments)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"policy/schema.json": schema, "docs/policy.md": reference}, nil
}

func main() {
	files, err := outputs(".")
	for path, text := range files {
		if err == nil {
			err = os.WriteFile(path, text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "describe:", err)
		os.Exit(1) //nolint:forbidigo // this is func main, of a program that is only run to generate
	}
}
