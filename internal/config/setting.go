package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Source is where a value comes from. Greater ones win.
type Source uint8

// Sources of values.
const (
	Default Source = iota
	File
	Environment
	Flag
)

// Setting is one thing that can be set.
type Setting struct {
	Path string // in the file, with dots between its parts: nats.url
	Flag string // on the command line, without dashes: nats-url; "" where there is none
	Env  string // FEEDD_NATS_URL
	Doc  string // one sentence; what stands in backquotes names the value

	secret    bool
	isBool    bool
	separator string // between the entries of a list; "": it is none
	initial   string // the default, as text
	set       func(expanded string) error
	text      func() string // the value now, as it could be set

	source Source
	place  string // where it was set, as a person would look for it
	raw    string // as written there, with its references
}

// Default is the value that holds when nothing sets another, as text.
func (s *Setting) Default() string { return s.initial }

// Bool reports whether the setting takes true and false only.
func (s *Setting) Bool() bool { return s.isBool }

// String returns the value in a form that may be shown: references are not followed, secrets are hidden.
func (s *Setting) String() string {
	switch {
	case s.source == Default:
		return s.initial
	case hasReference(s.raw):
		return Redact(s.raw)
	case s.secret && s.text() != "":
		return hidden
	default:
		return Redact(s.text())
	}
}

// Set sets the value from a source, unless a greater one has set it: the text is judged all the same. place says
// where it stands. The error says what would be right, and holds neither the value nor the place.
func (s *Setting) Set(from Source, place, raw string) error {
	expanded, err := expand(raw)
	if err != nil {
		return err
	}
	outranked := from < s.source
	before := s.text()
	if err := s.set(expanded); err != nil {
		return err
	}
	if outranked {
		return s.set(before)
	}
	s.source, s.place, s.raw = from, place, raw
	return nil
}

// flag gives the setting another flag, and variable, than its key says: for names that were there before.
func (s *Setting) flag(name string) {
	s.Flag = name
	s.Env = envName(name)
}

// noFlag leaves the setting to the file and the environment.
func (s *Setting) noFlag() { s.Flag = "" }

func envName(key string) string {
	return "FEEDD_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// add defines a setting that is held in *p.
func add[T any](c *Config, p *T, k kind[T], path string, initial T, doc string) *Setting {
	*p = initial
	s := &Setting{
		Path: path, Flag: strings.NewReplacer(".", "-", "_", "-").Replace(path), Env: envName(path), Doc: doc,
		initial: k.format(initial),
		text:    func() string { return k.format(*p) },
		set: func(text string) error {
			v, err := k.parse(text)
			if err != nil {
				return err
			}
			*p = v
			return nil
		},
	}
	_, s.isBool = any(initial).(bool)
	switch any(initial).(type) {
	case []string, Steps, []time.Duration:
		s.separator = ","
	case Rules:
		s.separator = ";"
	}
	c.settings = append(c.settings, s)
	return s
}

// New returns the defaults.
func New() *Config {
	c := &Config{}
	c.define()
	return c
}

// Settings returns all settings in the order of the documentation. The caller must not change the slice.
func (c *Config) Settings() []*Setting { return c.settings }

// Setting returns the setting with that path; it panics where there is none.
func (c *Config) Setting(path string) *Setting {
	for _, s := range c.settings {
		if s.Path == path {
			return s
		}
	}
	panic("config: no setting " + path)
}

// ReadEnvironment sets what variables name. An empty variable counts as none. The error joins one for each mistake.
func (c *Config) ReadEnvironment(lookup func(name string) string) error {
	var problems []error
	for _, s := range c.settings {
		raw := lookup(s.Env)
		if raw == "" {
			continue
		}
		if err := s.Set(Environment, s.Env, raw); err != nil {
			problems = append(problems, fmt.Errorf("bad value %q in %s: %w", s.shown(raw), s.Env, err))
		}
	}
	return errors.Join(problems...)
}

// shown is a raw value as an error may show it.
func (s *Setting) shown(raw string) string {
	if s.secret && !hasReference(raw) {
		return hidden
	}
	return Redact(raw)
}

// Validate judges the settings together, once all sources are read. The error joins one for each mistake.
func (c *Config) Validate() error { return errors.Join(c.validate()...) }

// problem makes an error about a setting, which names where that was set.
func (c *Config) problem(path, text string) error { return c.Setting(path).Wrap(errors.New(text)) }

// Wrap makes an error about the setting's value, which names where that was set.
func (s *Setting) Wrap(err error) error {
	switch s.source {
	case Flag, Environment:
		return fmt.Errorf("bad value %q for %s: %w", s.String(), s.place, err)
	case File:
		return fmt.Errorf("%s: %s: %w", s.place, s.Path, err)
	default:
		return fmt.Errorf("%s: %w", s.Path, err)
	}
}
