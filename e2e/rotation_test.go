package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/feedd/feedd/internal/client"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// signer is an issuer's key.
type signer struct {
	kid     string
	private ed25519.PrivateKey
}

func newSigner(t *testing.T, kid string) *signer {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{kid, private}
}

func (s *signer) token(t *testing.T, user string) string {
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"iss": "https://id.example.com", "aud": "feedd", "sub": user, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"feedd": map[string]any{"may": []string{"*"}},
	})
	token.Header["kid"] = s.kid
	text, err := token.SignedString(s.private)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// publishKeys writes the set of an issuer's public keys, whole at once.
func publishKeys(t *testing.T, path string, keys ...*signer) {
	t.Helper()
	var set jwkset.JWKSMarshal
	for _, s := range keys {
		k, err := jwkset.NewJWKFromKey(s.private.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: s.kid, ALG: jwkset.AlgEdDSA, USE: jwkset.UseSig}})
		if err != nil {
			t.Fatal(err)
		}
		set.Keys = append(set.Keys, k.Marshal())
	}
	text, err := json.Marshal(set)
	if err == nil {
		err = os.WriteFile(path+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The issuer's keys change again and again, while clients take rows and renew their tokens: no connection ends, and each
// key is good from when it is published until it is withdrawn.
func TestKeysRotateUnderLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	now := newSigner(t, "key-0")
	publishKeys(t, path, now)
	server := serve(t, "--auth-issuer", "https://id.example.com", "--auth-jwks", path, "--sim-instruments", "3")
	var current atomic.Pointer[signer]
	current.Store(now)
	var running sync.WaitGroup
	var renewed atomic.Int64
	stop := make(chan struct{})
	for i := range 20 {
		user := fmt.Sprint("user-", i)
		c := dial(t, server.WebSocket(), client.Options{Token: now.token(t, user)})
		subscribeEventually(t, c, "test:FAKE")
		running.Go(func() {
			for {
				answer, err := c.Request(deadline(t), &feedv1.ClientFrame{Request: &feedv1.ClientFrame_RefreshToken{
					RefreshToken: &feedv1.RefreshToken{Token: current.Load().token(t, user)},
				}})
				if err != nil || answer.Identity.GetUser() != user || c.Err() != nil {
					t.Errorf("%s: %v, %v, %v", user, answer, err, c.Err())
					return
				}
				renewed.Add(1)
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
				}
			}
		})
	}
	for n := range 3 {
		before, next := current.Load(), newSigner(t, fmt.Sprint("key-", n+1))
		publishKeys(t, path, before, next)
		await(t, "the new key", dialGood(t, server, next), func(m *client.Model) bool { return m.Welcome() != nil })
		current.Store(next)
		at := renewed.Load()
		for renewed.Load() < at+60 && !t.Failed() { // everybody has renewed with the new key, more than once
			time.Sleep(10 * time.Millisecond)
		}
		publishKeys(t, path, next)
		for { // until the old one is withdrawn
			c, err := client.Dial(deadline(t), server.WebSocket(), client.Options{Token: before.token(t, "late")})
			if err != nil {
				break
			}
			c.Close()
			time.Sleep(100 * time.Millisecond)
		}
	}
	close(stop)
	running.Wait()
	t.Logf("%d tokens were renewed over 3 rotations", renewed.Load())
	server.Interrupt()
}

// dialGood dials until the server knows the key.
func dialGood(t *testing.T, server *process, with *signer) *client.Client {
	t.Helper()
	for {
		c, err := client.Dial(deadline(t), server.WebSocket(), client.Options{Token: with.token(t, "early")})
		if err == nil {
			t.Cleanup(c.Close)
			return c
		}
		if deadline(t).Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
