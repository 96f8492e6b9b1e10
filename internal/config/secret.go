package config

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

const (
	// hidden stands for a secret wherever settings are shown.
	hidden = "(hidden)"
	// maxSecret bounds what a reference leads to, in bytes: a device without end must not fill the memory.
	maxSecret = 64 << 10
)

var (
	reference = regexp.MustCompile(`\$\{[^}]*\}?`)
	password  = regexp.MustCompile(`(://)[^/@]*@`)
)

func hasReference(raw string) bool { return strings.Contains(raw, "${") }

// expand replaces ${file:PATH} with what a file holds, without the white space around it, and ${env:NAME} with a
// variable. Errors name the reference, never what it led to.
func expand(raw string) (string, error) {
	var bad error
	expanded := reference.ReplaceAllStringFunc(raw, func(ref string) string {
		value, err := follow(ref)
		if err != nil && bad == nil {
			bad = err
		}
		return value
	})
	return expanded, bad
}

func follow(ref string) (string, error) {
	inside, closed := strings.CutSuffix(strings.TrimPrefix(ref, "${"), "}")
	how, name, _ := strings.Cut(inside, ":")
	if !closed || name == "" {
		how = ""
	}
	switch how {
	case "file":
		return readSecret(name)
	case "env":
		value := os.Getenv(name)
		if value == "" {
			return "", fmt.Errorf("the variable %s is empty or not set", name)
		}
		return value, nil
	default:
		return "", fmt.Errorf("the reference %s: want ${file:PATH} or ${env:NAME}", ref)
	}
}

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // was only read
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > maxSecret:
		return "", fmt.Errorf("%s holds more than %d bytes", path, maxSecret)
	}
	value := strings.TrimSpace(string(b))
	if value == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return value, nil
}

// Redact hides what stands between :// and @ in a text: users and passwords of URLs, well-formed or not.
func Redact(s string) string {
	return password.ReplaceAllStringFunc(s, func(match string) string {
		if hasReference(match) {
			return match
		}
		return "://" + hidden + "@"
	})
}
