package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// devIssuer is what tokens of a development key name as their issuer.
const devIssuer = "feedd-dev"

// DevKey signs tokens for development and tests. Whoever can read its file can be anybody.
type DevKey struct {
	kid     string
	private ed25519.PrivateKey
}

// OpenDevKey reads a development key, and makes one where the file does not exist, which its owner alone may read.
func OpenDevKey(path string) (*DevKey, error) {
	text, err := readAtMost(path, maxSet)
	if errors.Is(err, fs.ErrNotExist) {
		return makeDevKey(path)
	}
	if err != nil {
		return nil, err
	}
	k, err := jwkset.NewJWKFromRawJSON(json.RawMessage(text), jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{})
	if err != nil {
		return nil, fmt.Errorf("%s is no development key; name a file that does not exist, and one will be made", path)
	}
	private, ok := k.Key().(ed25519.PrivateKey)
	if !ok || k.Marshal().KID == "" {
		return nil, fmt.Errorf("%s is no development key: want a private Ed25519 key with a kid; name a file that does not exist, and one will be made", path)
	}
	return &DevKey{k.Marshal().KID, private}, nil
}

func makeDevKey(path string) (*DevKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	d := &DevKey{"dev-" + rand.Text()[:8], private}
	k, err := jwkset.NewJWKFromKey(private, jwkset.JWKOptions{
		Marshal: jwkset.JWKMarshalOptions{Private: true}, Metadata: jwkset.JWKMetadataOptions{KID: d.kid, USE: jwkset.UseSig, ALG: jwkset.AlgEdDSA},
	})
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(k.Marshal(), "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// Two processes that start together must end up with one key.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return OpenDevKey(path)
	}
	if err != nil {
		return nil, err
	}
	_, err = file.Write(append(text, '\n'))
	return d, errors.Join(err, file.Close())
}

// source is the public half.
func (d *DevKey) source() (*source, error) {
	k, err := jwkset.NewJWKFromKey(d.private.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: d.kid, USE: jwkset.UseSig, ALG: jwkset.AlgEdDSA}})
	if err != nil {
		return nil, err
	}
	keys := newLastGood()
	if err := keys.KeyReplaceAll(context.Background(), []jwkset.JWK{k}); err != nil {
		return nil, err
	}
	return &source{keys: keys, read: keys, run: func(ctx context.Context) { <-ctx.Done() }}, nil
}

// Wish is what a token of a development key is to say.
type Wish struct {
	User     string
	ID       string // by which it can be revoked; empty: a random one
	Tier     string
	May      []string // rules of package entitlement
	Audience string   // empty: DefaultAudience
	For      time.Duration
}

// Token makes a token that is good from now on.
func (d *DevKey) Token(w Wish, now time.Time) (string, error) {
	if w.Audience == "" {
		w.Audience = DefaultAudience
	}
	if w.ID == "" {
		w.ID = rand.Text()[:12]
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: devIssuer, Subject: w.User, Audience: jwt.ClaimStrings{w.Audience}, ID: w.ID,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(w.For)),
		},
		Feedd: feedd{Tier: w.Tier, May: w.May},
	})
	t.Header["kid"] = d.kid
	return t.SignedString(d.private)
}
