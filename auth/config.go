package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/feedd/feedd/entitlement"
)

const (
	// MaxToken bounds a token in bytes.
	MaxToken = 8 << 10
	// MaxLeeway bounds by how much clocks may differ.
	MaxLeeway = time.Minute
	// DefaultLeeway is it where nothing is said.
	DefaultLeeway = 10 * time.Second
	// DefaultAudience is whom tokens are for where nothing is said.
	DefaultAudience = "feedd"
)

// Config says whose tokens are good, and what those may have who bring none. The zero value lets nobody in.
type Config struct {
	// Issuer is what tokens name as "iss", and JWKS where its public keys are: an https URL (http on this machine), or a
	// file. Both or none.
	Issuer, JWKS string
	// Audience is what tokens must name as "aud"; empty: DefaultAudience.
	Audience string
	// DevKey is the file of a development key; empty: none. It is made where there is none.
	DevKey string
	// Leeway is by how much clocks may differ, up to MaxLeeway; 0: DefaultLeeway.
	Leeway time.Duration
	// Anonymous is what those may have who bring no token; nil: they are not let in.
	Anonymous *entitlement.Set

	askEvery time.Duration // between two fetches that unknown keys call for; 0: the constant of that name
}

// Tokens reports whether any token could be good.
func (c *Config) Tokens() bool { return c.JWKS != "" || c.DevKey != "" }

// Validate reports what cannot be, without looking for keys.
func (c Config) Validate() error { return c.complete() }

func (c *Config) complete() error {
	if c.Audience == "" {
		c.Audience = DefaultAudience
	}
	if c.askEvery == 0 {
		c.askEvery = askEvery
	}
	if c.Leeway == 0 {
		c.Leeway = DefaultLeeway
	}
	switch {
	case c.Leeway < 0 || c.Leeway > MaxLeeway:
		return fmt.Errorf("leeway of %v: want 0 to %v", c.Leeway, MaxLeeway)
	case (c.Issuer == "") != (c.JWKS == ""):
		return errors.New("an issuer and the set of its public keys (JWKS) belong together: give both, or none")
	case c.Issuer == devIssuer:
		return fmt.Errorf("issuer %q is that of development keys: give another", c.Issuer)
	case isURL(c.JWKS):
		return checkURL(c.JWKS)
	}
	return nil
}

func isURL(place string) bool { return strings.Contains(place, "://") }

// checkURL wants a secure URL: whoever can change what it brings can make tokens.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("keys at %q: want an https URL, or a file", text)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && (u.Hostname() == "localhost" || isLoopback(u.Hostname())):
		return nil
	}
	return fmt.Errorf("keys at %s: want https; plain http is for this machine alone", u.Redacted())
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
