// Package policy is the throttle policy as operators write it: a YAML text that says who may have what, how fast and how
// deep. Parse reads one and finds everything that is wrong with it, with the line and what would be right; Compile makes of
// it the throttle.Policy that sessions resolve against.
//
// A text is taken whole or not at all. What it does not know, what contradicts itself and what can never have an effect is
// refused, since each is a mistake that nobody would notice while the market runs.
//
// The types in document.go are the one description of the format: the JSON Schema (Schema) and the reference
// (docs/policy.md) are generated from them and their comments.
package policy

//go:generate go run ./internal/describe
