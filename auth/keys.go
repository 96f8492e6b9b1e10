package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/feedd/feedd/entitlement"
)

const (
	// minRSABits is what RFC 7518 demands, section 3.3.
	minRSABits = 2048
	// maxKeys a set may hold: who rotates keys has two or three.
	maxKeys = 100
)

// algorithms are those that a key may be used with. RSA keys have several: theirs must be named in the set.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

var errNoUsableKey = errors.New("there is no usable key in the set: want public keys for signatures (RSA of 2,048 bits or more, EC, Ed25519), each with a kid")

// algorithmOf returns the one algorithm that a key is for; "" for a key that is not taken.
func algorithmOf(k jwkset.JWK) string {
	m := k.Marshal()
	var fits []string
	switch key := k.Key().(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() >= minRSABits {
			fits = algorithms[:6]
		}
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			fits = []string{"ES256"}
		case 384:
			fits = []string{"ES384"}
		case 521:
			fits = []string{"ES512"}
		}
	case ed25519.PublicKey:
		fits = []string{"EdDSA"}
	}
	switch named := m.ALG.String(); {
	case m.KID == "" || m.USE != "" && m.USE != jwkset.UseSig || len(fits) == 0:
		return ""
	case named == "":
		return fits[0] // RS256 is what every issuer of RSA signatures has
	case slices.Contains(fits, named):
		return named
	}
	return ""
}

// lastGood keeps the usable keys of the newest set that had any. It is the storage under what fetches sets.
type lastGood struct {
	*jwkset.MemoryJWKSet
	loaded  atomic.Bool // a set was taken over
	failing atomic.Bool // the last attempt to get one brought none
}

func newLastGood() *lastGood { return &lastGood{MemoryJWKSet: jwkset.NewMemoryStorage()} }

// KeyReplaceAll takes over a new set.
func (l *lastGood) KeyReplaceAll(ctx context.Context, set []jwkset.JWK) error {
	usable := slices.DeleteFunc(slices.Clone(set), func(k jwkset.JWK) bool { return algorithmOf(k) == "" })
	if len(usable) == 0 || len(usable) > maxKeys {
		l.failing.Store(true)
		return errNoUsableKey
	}
	l.failing.Store(false)
	l.loaded.Store(true)
	return l.MemoryJWKSet.KeyReplaceAll(ctx, usable)
}

// find returns the key that a token names.
func (l *lastGood) find(ctx context.Context, from jwkset.Storage, t *jwt.Token) (any, error) {
	kid, ok := t.Header["kid"].(string)
	if !ok || kid == "" {
		return nil, errors.New("it does not name its key (kid)")
	}
	key, err := from.KeyRead(ctx, kid)
	switch {
	case errors.Is(err, jwkset.ErrKeyNotFound) && !l.failing.Load():
		return nil, errors.New("its key is not one of the issuer's")
	case err != nil: // not asked again yet, or in vain
		return nil, entitlement.ErrUnavailable
	}
	if want := algorithmOf(key); want == "" || t.Method.Alg() != want {
		return nil, fmt.Errorf("its algorithm is not the one of its key")
	}
	return key.Key(), nil
}
