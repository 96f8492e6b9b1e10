package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/feedd/feedd/policy"
)

type object = map[string]any

// scalars are the schemas of the types that stand for one value.
func scalars() map[string]object {
	texts := func(names []string) (values []any) {
		for _, name := range names {
			if n, err := strconv.Atoi(name); err == nil {
				values = append(values, n)
			} else {
				values = append(values, name)
			}
		}
		return values
	}
	return map[string]object{
		"Cadence":    {"enum": texts(policy.CadenceNames())},
		"Depth":      {"enum": texts(policy.DepthNames())},
		"Timeliness": {"enum": texts(policy.TimelinessNames())},
		"Bytes": {"anyOf": []any{
			object{"type": "integer", "minimum": policy.LeastBytes, "maximum": policy.MostBytes},
			object{"type": "string", "pattern": `^([0-9]+ ?(B|kB|KiB|MB|MiB|GB|GiB)|none)$`},
		}},
		"Count":   {"type": "integer"},
		"Percent": {"type": "string", "pattern": `^([1-9][0-9]?|100)%$`},
		"Span":    {"type": "string", "pattern": `^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$`},
		"Time":    {"type": "string", "format": "date-time"},
	}
}

func schemaOf(c comments) ([]byte, error) {
	s := schemer{comments: c, definitions: object{}, scalars: scalars()}
	top, err := s.object(reflect.TypeFor[policy.Document]())
	if err != nil {
		return nil, err
	}
	top["$schema"], top["title"], top["$defs"] = "https://json-schema.org/draft/2020-12/schema", "feedd throttle policy", s.definitions
	text, err := json.MarshalIndent(top, "", "  ")
	return append(text, '\n'), err
}

// schemer makes schemas of types.
type schemer struct {
	comments    comments
	definitions object
	scalars     map[string]object
}

func (s *schemer) object(t reflect.Type) (object, error) {
	text, err := s.comments.of(t.Name())
	if err != nil {
		return nil, err
	}
	properties, required := object{}, []string{}
	if err := s.properties(t, properties, &required); err != nil {
		return nil, err
	}
	o := object{"type": "object", "description": text, "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	return o, nil
}

func (s *schemer) properties(t reflect.Type, into object, required *[]string) error {
	for f := range fieldsOf(t) {
		if f.inline {
			if err := s.properties(f.Type, into, required); err != nil {
				return err
			}
			continue
		}
		text, err := s.comments.of(t.Name() + "." + f.Name)
		if err != nil {
			return err
		}
		schema, err := s.of(f.Type)
		if err != nil {
			return err
		}
		schema["description"] = text
		for tag, key := range map[string]string{"min": "minimum", "max": "maximum"} {
			if n, err := strconv.Atoi(f.Tag.Get(tag)); err == nil {
				schema[key] = n
			}
		}
		into[f.key] = schema
		if !f.optional {
			*required = append(*required, f.key)
		}
	}
	return nil
}

func (s *schemer) of(t reflect.Type) (object, error) {
	switch {
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem())
	case s.scalars[t.Name()] != nil:
		copied := object{}
		for k, v := range s.scalars[t.Name()] {
			copied[k] = v
		}
		return copied, nil
	case t.Kind() == reflect.Bool:
		return object{"type": "boolean"}, nil
	case t.Kind() == reflect.String:
		return object{"type": "string"}, nil
	case t.Kind() == reflect.Slice:
		items, err := s.of(t.Elem())
		return object{"type": "array", "items": items}, err
	case t.Kind() == reflect.Map:
		values, err := s.of(t.Elem())
		return object{"type": "object", "additionalProperties": values, "minProperties": 1}, err
	case t.Kind() == reflect.Struct:
		if s.definitions[t.Name()] == nil {
			o, err := s.object(t)
			if err != nil {
				return nil, err
			}
			s.definitions[t.Name()] = o
		}
		return object{"$ref": "#/$defs/" + t.Name()}, nil
	}
	return nil, fmt.Errorf("no schema for %v", t)
}

// field is a field as it stands in YAML.
type field struct {
	reflect.StructField
	key              string
	optional, inline bool
}

func fieldsOf(t reflect.Type) func(func(field) bool) {
	return func(yield func(field) bool) {
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() {
				continue
			}
			key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if !yield(field{f, key, strings.Contains(options, "omitempty"), options == "inline"}) {
				return
			}
		}
	}
}
