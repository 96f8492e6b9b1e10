package policy

import _ "embed"

// Example is a policy that shows what there is.
//
//go:embed example.yaml
var Example string

// Schema is the JSON Schema of a policy.
//
//go:embed schema.json
var Schema string
