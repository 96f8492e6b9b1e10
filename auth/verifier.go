package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/feedd/feedd/entitlement"
)

// maxName bounds the words of a token that are kept: user, id and tier, in bytes.
const maxName = 256

// Verifier checks tokens. Its methods may be called from any goroutine.
type Verifier struct {
	config  Config
	sources map[string]*source // by issuer
	revoked *Revocations
	now     func() time.Time
	ctx     context.Context
}

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims
	Feedd feedd `json:"feedd"`
}

// feedd is the claim of that name.
type feedd struct {
	Tier string   `json:"tier,omitempty"`
	May  []string `json:"may,omitempty"`
}

// Open reads the keys that a configuration names. An issuer behind a URL that does not answer is no error: it is asked
// again. ctx ends what goes on in the background: Run must be called, and returns when ctx has ended.
func Open(ctx context.Context, c Config, log *slog.Logger) (*Verifier, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	v := &Verifier{config: c, sources: make(map[string]*source), revoked: NewRevocations(), now: time.Now, ctx: ctx}
	if c.JWKS != "" {
		from := fromFile
		if isURL(c.JWKS) {
			from = func(url string, log *slog.Logger) (*source, error) { return fromURL(ctx, url, c.askEvery, log) }
		}
		s, err := from(c.JWKS, log)
		if err != nil {
			return nil, err
		}
		v.sources[c.Issuer] = s
	}
	if c.DevKey != "" {
		key, err := OpenDevKey(c.DevKey)
		if err != nil {
			return nil, err
		}
		s, err := key.source()
		if err != nil {
			return nil, err
		}
		v.sources[devIssuer] = s
		log.Warn("tokens of a development key are good here: whoever can read its file can be anybody", "file", c.DevKey)
	}
	return v, nil
}

// Run keeps the keys as they are at their sources until ctx ends.
func (v *Verifier) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range v.sources {
		all.Go(func() { s.run(ctx) })
	}
	all.Wait()
}

// Revocations returns what has been taken back. It is there to be filled.
func (v *Verifier) Revocations() *Revocations { return v.revoked }

// Anonymous returns who those are that bring no token; nil: they are not let in.
func (v *Verifier) Anonymous() *entitlement.Identity {
	if v.config.Anonymous == nil {
		return nil
	}
	return &entitlement.Identity{May: v.config.Anonymous}
}

// Authenticate returns whom a token speaks for. Where its key is not known it may wait for some seconds. The error says
// what is wrong with the token, without any of it; entitlement.ErrUnavailable and ErrRevoked are told apart by errors.Is.
func (v *Verifier) Authenticate(token string) (*entitlement.Identity, error) {
	if len(token) > MaxToken {
		return nil, fmt.Errorf("token of %d bytes: at most %d are allowed", len(token), MaxToken)
	}
	c, err := v.parse(token)
	if err != nil {
		return nil, err
	}
	may, err := entitlement.Parse(c.Feedd.May)
	if err != nil {
		return nil, fmt.Errorf("the token's claim feedd.may: %w", err)
	}
	id := &entitlement.Identity{
		User: c.Subject, Token: c.ID, Tier: c.Feedd.Tier, May: may, Expires: c.ExpiresAt.Add(v.config.Leeway).UnixMicro(),
	}
	if c.IssuedAt != nil {
		id.Issued = c.IssuedAt.UnixMicro()
	}
	switch {
	case id.Expires > v.now().Add(MaxLifetime+v.config.Leeway).UnixMicro():
		return nil, fmt.Errorf("the token is good for more than %d days, longer than revocations are remembered; get one for less", MaxLifetime/(24*time.Hour))
	case !v.revoked.Ready():
		return nil, entitlement.ErrUnavailable
	case v.revoked.Holds(id):
		return nil, entitlement.ErrRevoked
	}
	return id, nil
}

// Revoked reports whether somebody who was let in has been shut out since.
func (v *Verifier) Revoked(id *entitlement.Identity) bool { return v.revoked.Holds(id) }

// parse checks all that JWT has rules for.
func (v *Verifier) parse(token string) (*claims, error) {
	c := new(claims)
	parser := jwt.NewParser(
		jwt.WithValidMethods(algorithms), jwt.WithStrictDecoding(), jwt.WithAudience(v.config.Audience), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithLeeway(v.config.Leeway), jwt.WithTimeFunc(v.now),
	)
	if _, err := parser.ParseWithClaims(token, c, func(t *jwt.Token) (any, error) { return v.key(t, c) }); err != nil {
		return nil, explain(err, v.config.Audience)
	}
	for _, name := range []struct{ claim, text string }{{"sub", c.Subject}, {"jti", c.ID}, {"feedd.tier", c.Feedd.Tier}} {
		if !nameOK(name.text) {
			return nil, fmt.Errorf("the token's claim %s: want at most %d bytes of printable text", name.claim, maxName)
		}
	}
	if c.Subject == "" {
		return nil, errors.New("the token does not say whose it is (sub)")
	}
	return c, nil
}

// key finds the key to check a token with. Nothing that the token says has been proven yet.
func (v *Verifier) key(t *jwt.Token, c *claims) (any, error) {
	if _, critical := t.Header["crit"]; critical {
		return nil, errors.New("it has header parameters that must be understood (crit), and they are not")
	}
	if typ, ok := t.Header["typ"]; ok && typ != "JWT" && typ != "jwt" && typ != "at+jwt" && typ != "application/at+jwt" {
		return nil, errors.New("it is of another type (typ): want JWT or at+jwt")
	}
	s := v.sources[c.Issuer]
	if s == nil {
		return nil, errors.New("its issuer (iss) is not one of those that count here")
	}
	return s.keys.find(v.ctx, s.read, t)
}

// explain says what was wrong with a token, in words that hold nothing of it.
func explain(err error, audience string) error {
	switch {
	case errors.Is(err, entitlement.ErrUnavailable):
		return entitlement.ErrUnavailable
	case errors.Is(err, jwt.ErrTokenExpired):
		return errors.New("the token has expired; get a new one")
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return errors.New("the token is not good yet: compare the clocks of its issuer and this server")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return fmt.Errorf("the token is for somebody else: want %q among its audience (aud)", audience)
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return errors.New("the token lacks a claim: want iss, aud, sub and exp")
	case errors.Is(err, jwt.ErrTokenMalformed):
		return errors.New("not a token: want a JWT in its compact form")
	}
	// What key says is joined to the library's own words.
	var joined interface{ Unwrap() []error }
	if errors.Is(err, jwt.ErrTokenUnverifiable) && errors.As(err, &joined) {
		if all := joined.Unwrap(); len(all) > 1 {
			return fmt.Errorf("the token cannot be checked: %w", all[len(all)-1])
		}
	}
	return errors.New("the token's signature is not that of its issuer, with an algorithm that counts here")
}

func nameOK(text string) bool {
	if len(text) > maxName || !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
