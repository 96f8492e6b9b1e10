package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const iss = "https://id.example.com"

// The keys of the tests are made once: RSA takes its time.
var keyring = sync.OnceValue(func() (k struct {
	rsa, other, weak *rsa.PrivateKey
	p256, p384       *ecdsa.PrivateKey
	ed               ed25519.PrivateKey
}) {
	var errs [6]error
	k.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	k.other, errs[1] = rsa.GenerateKey(rand.Reader, 2048)
	k.weak, errs[2] = rsa.GenerateKey(rand.Reader, 1024)
	k.p256, errs[3] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, errs[4] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, k.ed, errs[5] = ed25519.GenerateKey(rand.Reader)
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
	return k
})

// jwk is a key as it stands in a set.
func jwk(t testing.TB, key any, kid, alg string) jwkset.JWKMarshal {
	t.Helper()
	options := jwkset.JWKOptions{Marshal: jwkset.JWKMarshalOptions{Private: true}, Metadata: jwkset.JWKMetadataOptions{KID: kid, ALG: jwkset.ALG(alg)}}
	if s, ok := key.(crypto.Signer); ok {
		key = s.Public()
	}
	k, err := jwkset.NewJWKFromKey(key, options)
	if err != nil {
		t.Fatal(err)
	}
	return k.Marshal()
}

func set(t testing.TB, keys ...jwkset.JWKMarshal) []byte {
	t.Helper()
	text, err := json.Marshal(jwkset.JWKSMarshal{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// issuer is a place where a set of keys is.
type issuer struct {
	*httptest.Server
	set   atomic.Pointer[[]byte] // nil: it is away
	asked atomic.Int64
}

func newIssuer(t testing.TB, set []byte) *issuer {
	i := new(issuer)
	i.put(set)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		text := i.set.Load()
		if *text == nil {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		_, _ = w.Write(*text)
	}))
	t.Cleanup(i.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return i
}

func (i *issuer) put(set []byte) { i.set.Store(&set) }

// open returns a Verifier whose clock stands still.
func open(t testing.TB, c Config) (*Verifier, *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var log lockedBuffer
	v, err := Open(ctx, c, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	v.now = func() time.Time { return noon }
	v.Revocations().Known()
	var running sync.WaitGroup
	running.Go(func() { v.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return v, &log.b
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

var noon = time.Unix(1_767_225_600, 0)

// good is a token's claims as they should be; change makes it another.
func good(change func(c map[string]any)) map[string]any {
	c := map[string]any{
		"iss": iss, "aud": "feedd", "sub": "ada", "jti": "t1", "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
		"feedd": map[string]any{"tier": "pro", "may": []string{"nyse:* quote,trade delayed", "binance:*"}},
	}
	if change != nil {
		change(c)
	}
	return c
}

// sign makes a token whose header is changed as well.
func sign(t testing.TB, method jwt.SigningMethod, key any, header map[string]any, c map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims(c))
	for name, value := range header {
		if token.Header[name] = value; value == nil {
			delete(token.Header, name)
		}
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

type headers = map[string]any
