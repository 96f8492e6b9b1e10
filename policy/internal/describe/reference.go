package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"reflect"
	"strings"
	"text/template"

	"github.com/feedd/feedd/policy"
	"github.com/feedd/feedd/throttle"
)

//go:embed policy.md
var page string

type reference struct {
	Example, Ladder string
	Types           []typeText
	Kinds           []kindText
}

type typeText struct {
	Title, Text string
	BuiltIn     bool
	Keys        []keyText
}

type keyText struct{ Key, Value, BuiltIn, Text string }

type kindText struct{ Name, Text string }

func referenceOf(c comments) ([]byte, error) {
	r := reference{Example: policy.Example, Ladder: strings.Join(policy.CadenceNames(), ", ")}
	for _, t := range []struct {
		title string
		of    reflect.Type
	}{
		{"The document", reflect.TypeFor[policy.Document]()}, {"A tier", reflect.TypeFor[policy.Tier]()},
		{"A rule", reflect.TypeFor[policy.Rule]()}, {"A stop", reflect.TypeFor[policy.Stop]()}, {"What is adaptive", reflect.TypeFor[policy.Adaptive]()}, {"A history", reflect.TypeFor[policy.History]()},
	} {
		text, err := c.of(t.of.Name())
		if err != nil {
			return nil, err
		}
		about := typeText{Title: t.title, Text: text, BuiltIn: t.of.Name() == "Tier" || t.of.Name() == "Adaptive"}
		if about.Keys, err = keysOf(c, t.of, builtIn()); err != nil {
			return nil, err
		}
		r.Types = append(r.Types, about)
	}
	for _, name := range []string{"Cadence", "Depth", "Bytes", "Timeliness", "Percent", "Time"} {
		text, err := c.of(name)
		if err != nil {
			return nil, err
		}
		_, after, _ := strings.Cut(text, " is ")
		r.Kinds = append(r.Kinds, kindText{strings.ToLower(name), after})
	}
	var out bytes.Buffer
	err := template.Must(template.New("policy.md").Parse(page)).Execute(&out, r)
	return out.Bytes(), err
}

func keysOf(c comments, t reflect.Type, builtIn map[string]string) (all []keyText, err error) {
	for f := range fieldsOf(t) {
		if f.inline {
			inner, err := keysOf(c, f.Type, builtIn)
			if err != nil {
				return nil, err
			}
			all = append(all, inner...)
			continue
		}
		text, err := c.of(t.Name() + "." + f.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, keyText{Key: f.key, Value: valueOf(f), BuiltIn: builtIn[f.key], Text: text})
	}
	return all, nil
}

func valueOf(f field) string {
	t := f.Type
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Name() == "Count" || t.Name() == "Span":
		return fmt.Sprintf("%s to %s", f.Tag.Get("min"), f.Tag.Get("max"))
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return "list of texts"
	case t.Kind() == reflect.Slice:
		return "list of " + strings.ToLower(t.Elem().Elem().Name()) + "s"
	case t.Kind() == reflect.Map:
		return "name: " + strings.ToLower(t.Elem().Elem().Name())
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	}
	return strings.ToLower(t.Name())
}

// builtIn is what a tier has that says nothing, by key.
func builtIn() map[string]string {
	t := throttle.BuiltInTier()
	history := func(usual, most int) string { return fmt.Sprintf("%d, at most %d", usual, most) }
	return map[string]string{
		"default": t.Default.String(), "fastest": t.Fastest.String(), "hidden": t.Hidden.String(), "size_changes": t.SizeChanges.String(),
		"depth": "all", "timeliness": t.Timeliness.String(), "bytes_per_second": "none",
		"subscriptions": fmt.Sprint(t.Subscriptions), "sessions_per_user": fmt.Sprint(t.SessionsPerUser),
		"symbols_per_request": fmt.Sprint(t.SymbolsPerRequest), "requests_per_second": fmt.Sprint(t.RequestsPerSecond), "request_burst": fmt.Sprint(t.RequestBurst),
		"enabled": "true", "blocked": fmt.Sprintf("%.0f%%", 100*t.Adaptive.Blocked), "lag": t.Adaptive.Lag.String(), "down_after": t.Adaptive.Down.String(), "up_after": t.Adaptive.Up.String(),
		"trade_history": history(t.DefaultHistory, t.MaxHistory), "bar_history": history(t.DefaultBars, t.MaxBars),
	}
}
