package auth

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/feedd/feedd/entitlement"
)

// desk is a Verifier with an issuer that has one key of each kind.
func desk(t testing.TB) (*Verifier, *issuer) {
	k := keyring()
	i := newIssuer(t, set(t, jwk(t, k.rsa, "rsa", "RS256"), jwk(t, k.other, "pss", "PS256"), jwk(t, k.weak, "weak", "RS256"),
		jwk(t, k.p256, "p256", ""), jwk(t, k.p384, "p384", "ES384"), jwk(t, k.ed, "ed", "EdDSA"),
		jwkset.JWKMarshal{KTY: jwkset.KtyOct, KID: "shared", ALG: jwkset.AlgHS256, K: base64.RawURLEncoding.EncodeToString(make([]byte, 32))}))
	v, _ := open(t, Config{Issuer: iss, JWKS: i.URL, askEvery: time.Microsecond})
	return v, i
}

func TestGoodTokens(t *testing.T) {
	v, _ := desk(t)
	k := keyring()
	for name, token := range map[string]string{
		"RS256": sign(t, jwt.SigningMethodRS256, k.rsa, headers{"kid": "rsa"}, good(nil)),
		"PS256": sign(t, jwt.SigningMethodPS256, k.other, headers{"kid": "pss"}, good(nil)),
		"ES256 without a named algorithm in the set": sign(t, jwt.SigningMethodES256, k.p256, headers{"kid": "p256"}, good(nil)),
		"ES384":                   sign(t, jwt.SigningMethodES384, k.p384, headers{"kid": "p384"}, good(nil)),
		"EdDSA":                   sign(t, jwt.SigningMethodEdDSA, k.ed, headers{"kid": "ed"}, good(nil)),
		"an access token":         sign(t, jwt.SigningMethodEdDSA, k.ed, headers{"kid": "ed", "typ": "at+jwt"}, good(nil)),
		"without a type":          sign(t, jwt.SigningMethodEdDSA, k.ed, headers{"kid": "ed", "typ": nil}, good(nil)),
		"several in its audience": sign(t, jwt.SigningMethodEdDSA, k.ed, headers{"kid": "ed"}, good(func(c map[string]any) { c["aud"] = []string{"other", "feedd"} })),
	} {
		id, err := v.Authenticate(token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := entitlement.Identity{User: "ada", Token: "t1", Tier: "pro", Issued: noon.UnixMicro(), Expires: noon.Add(time.Hour + DefaultLeeway).UnixMicro(), May: id.May}
		if *id != want || id.May.String() != "nyse:* quote,trade delayed; binance:*" || id.Anonymous() || id.Expired(noon.UnixMicro()) || !id.Expired(want.Expires) {
			t.Errorf("%s: %+v", name, id)
		}
	}
}

// What RFC 8725 warns of, by its sections. Each token differs from a good one in one thing.
func TestTokensThatRFC8725WarnsOf(t *testing.T) {
	v, _ := desk(t)
	k := keyring()
	ed := func(h headers, change func(c map[string]any)) string {
		if h["kid"] == nil {
			h = mapWith(h, "kid", "ed")
		}
		return sign(t, jwt.SigningMethodEdDSA, k.ed, h, good(change))
	}
	der, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	whole := ed(nil, nil)
	parts := strings.Split(whole, ".")
	segment := func(json string) string { return base64.RawURLEncoding.EncodeToString([]byte(json)) }

	for _, c := range []struct{ section, what, token, says string }{
		{"2.1 3.1", "no signature (alg none)", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, headers{"kid": "ed"}, good(nil)), "signature"},
		{"2.1 3.1", "none in other letters", segment(`{"alg":"nOnE","kid":"ed"}`) + "." + parts[1] + ".", "signature"},
		{"2.1 3.1", "the signature cut off", parts[0] + "." + parts[1] + ".", "signature"},
		{"2.1 3.1", "HS256 with the public RSA key as the secret", sign(t, jwt.SigningMethodHS256, public, headers{"kid": "rsa"}, good(nil)), "signature"},
		{"2.1 3.1", "HS256 with the key's DER as the secret", sign(t, jwt.SigningMethodHS256, der, headers{"kid": "rsa"}, good(nil)), "signature"},
		{"2.1 3.1", "another algorithm of the same key", sign(t, jwt.SigningMethodRS512, k.rsa, headers{"kid": "rsa"}, good(nil)), "algorithm is not the one of its key"},
		{"2.1 3.1", "PSS where the key is for PKCS 1", sign(t, jwt.SigningMethodPS256, k.rsa, headers{"kid": "rsa"}, good(nil)), "algorithm is not the one of its key"},
		{"2.1 3.1", "a key of another kind", sign(t, jwt.SigningMethodES256, k.p256, headers{"kid": "rsa"}, good(nil)), "algorithm is not the one of its key"},
		{"2.1 3.1", "no algorithm", segment(`{"kid":"ed"}`) + "." + parts[1] + "." + parts[2], "signature"},
		{"2.2 3.5", "a shared secret, even out of the set", sign(t, jwt.SigningMethodHS256, make([]byte, 32), headers{"kid": "shared"}, good(nil)), "signature"},
		{"2.2 3.5", "an RSA key of 1,024 bits", sign(t, jwt.SigningMethodRS256, k.weak, headers{"kid": "weak"}, good(nil)), "its key is not one of the issuer's"},
		{"3.2", "an algorithm that does not exist", segment(`{"alg":"XS256","kid":"ed"}`) + "." + parts[1] + "." + parts[2], "signature"},
		{"2.3 3.3", "an encrypted token (five parts)", whole + ".x.y", "not a token"},
		{"3.3", "signed with another key", sign(t, jwt.SigningMethodRS256, k.other, headers{"kid": "rsa"}, good(nil)), "signature"},
		{"3.3", "the claims of another token", parts[0] + "." + segment(`{"iss":"`+iss+`","aud":"feedd","sub":"eve","exp":1767229200}`) + "." + parts[2], "signature"},
		{"3.3", "the header of another token", segment(`{"alg":"EdDSA","kid":"ed","x":1}`) + "." + parts[1] + "." + parts[2], "signature"},
		{"3.3", "an ECDSA signature of zeros", strings.Join(strings.Split(sign(t, jwt.SigningMethodES256, k.p256, headers{"kid": "p256"}, good(nil)), ".")[:2], ".") + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)), "signature"},
		{"2.7 3.7", "bytes that are not JSON", parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte{0xff, 0xfe}) + "." + parts[2], "not a token"},
		{"2.7 3.7", "a user that is not UTF-8", ed(nil, func(c map[string]any) { c["sub"] = "a\x00b" }), "printable"},
		{"2.7", "padding in base64", parts[0] + "=." + parts[1] + "." + parts[2], "not a token"},
		{"3.8", "no issuer", ed(nil, func(c map[string]any) { delete(c, "iss") }), "issuer"},
		{"3.8", "another issuer", ed(nil, func(c map[string]any) { c["iss"] = "https://evil.example" }), "issuer"},
		{"3.8", "the development issuer, which is not on", ed(nil, func(c map[string]any) { c["iss"] = devIssuer }), "issuer"},
		{"3.8", "no user", ed(nil, func(c map[string]any) { delete(c, "sub") }), "whose it is"},
		{"2.8 3.9", "no audience", ed(nil, func(c map[string]any) { delete(c, "aud") }), "lacks a claim"},
		{"2.8 3.9", "made for somebody else", ed(nil, func(c map[string]any) { c["aud"] = "billing" }), "for somebody else"},
		{"2.9 3.10", "kid is a path", ed(headers{"kid": "../../../../dev/null"}, nil), "its key is not one of the issuer's"},
		{"2.9 3.10", "kid is SQL", ed(headers{"kid": "' OR 1=1 --"}, nil), "its key is not one of the issuer's"},
		{"2.9 3.10", "kid is a URL", ed(headers{"kid": "http://127.0.0.1:1/key"}, nil), "its key is not one of the issuer's"},
		{"2.9 3.10", "kid is no text", ed(headers{"kid": 7}, nil), "does not name its key"},
		{"2.9 3.10", "no kid", sign(t, jwt.SigningMethodEdDSA, k.ed, headers{"kid": nil}, good(nil)), "does not name its key"},
		{"2.9 3.10", "a key of its own (jwk)", sign(t, jwt.SigningMethodRS256, k.other, headers{"kid": "mine", "jwk": jwk(t, k.other, "mine", "RS256")}, good(nil)), "its key is not one of the issuer's"},
		{"2.9 3.10", "a place with keys of its own (jku)", sign(t, jwt.SigningMethodRS256, k.other, headers{"kid": "mine", "jku": "http://127.0.0.1:1/keys"}, good(nil)), "its key is not one of the issuer's"},
		{"2.9 3.10", "a certificate of its own (x5u)", sign(t, jwt.SigningMethodRS256, k.other, headers{"kid": "mine", "x5u": "http://127.0.0.1:1/crt"}, good(nil)), "its key is not one of the issuer's"},
		{"3.11", "a token of another kind (typ)", ed(headers{"typ": "secevent+jwt"}, nil), "type"},
		{"3.11", "type is no text", ed(headers{"typ": 1}, nil), "type"},
		{"3.12", "something that must be understood (crit)", ed(headers{"crit": []string{"b64"}, "b64": false}, nil), "crit"},
		{"7519 4.1.4", "no expiry", ed(nil, func(c map[string]any) { delete(c, "exp") }), "lacks a claim"},
		{"7519 4.1.4", "expired", ed(nil, func(c map[string]any) { c["exp"] = noon.Add(-time.Minute).Unix() }), "expired"},
		{"7519 4.1.4", "an expiry that is no number", ed(nil, func(c map[string]any) { c["exp"] = "tomorrow" }), "not a token"},
		{"7519 4.1.5", "not good yet", ed(nil, func(c map[string]any) { c["nbf"] = noon.Add(time.Minute).Unix() }), "not good yet"},
		{"7519 4.1.6", "made in the future", ed(nil, func(c map[string]any) { c["iat"] = noon.Add(time.Minute).Unix() }), "not good yet"},
		{"our own", "a right that cannot be", ed(nil, func(c map[string]any) { c["feedd"] = map[string]any{"may": []string{"nyse:* quotes"}} }), `channel "quotes"`},
		{"our own", "rights that are no list", ed(nil, func(c map[string]any) { c["feedd"] = map[string]any{"may": "*"} }), "not a token"},
		{"our own", "a user without end", ed(nil, func(c map[string]any) { c["sub"] = strings.Repeat("x", 257) }), "sub"},
		{"our own", "good for longer than revocations are remembered", ed(nil, func(c map[string]any) { c["exp"] = noon.Add(31 * 24 * time.Hour).Unix() }), "30 days"},
		{"our own", "nothing", "", "not a token"},
		{"our own", "too long", whole + strings.Repeat("x", MaxToken), "at most 8192"},
	} {
		t.Run(c.section+" "+c.what, func(t *testing.T) {
			id, err := v.Authenticate(c.token)
			if err == nil {
				t.Fatalf("taken for %+v", id)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q, want %q", err, c.says)
			}
			for _, part := range strings.Split(c.token, ".") {
				if len(part) > 12 && strings.Contains(err.Error(), part) {
					t.Errorf("the error repeats the token: %q", err)
				}
			}
		})
	}
	if _, err := v.Authenticate(whole); err != nil {
		t.Errorf("and the good one: %v", err)
	}
}

func mapWith(h headers, name string, value any) headers {
	out := headers{name: value}
	for n, v := range h {
		out[n] = v
	}
	return out
}

func TestClocksMayDifferALittle(t *testing.T) {
	v, _ := desk(t)
	k := keyring()
	for shift, want := range map[time.Duration]bool{-9 * time.Second: true, -11 * time.Second: false} {
		token := sign(t, jwt.SigningMethodEdDSA, k.ed, headers{"kid": "ed"}, good(func(c map[string]any) { c["exp"] = noon.Add(shift).Unix() }))
		if _, err := v.Authenticate(token); (err == nil) != want {
			t.Errorf("expired by %v: %v", shift, err)
		}
	}
}

// A new key is fetched when the first token names it; a set that is gone or empty leaves the last good one.
func TestKeysRotate(t *testing.T) {
	k := keyring()
	i := newIssuer(t, set(t, jwk(t, k.rsa, "old", "RS256")))
	v, _ := open(t, Config{Issuer: iss, JWKS: i.URL, askEvery: time.Microsecond})
	old := sign(t, jwt.SigningMethodRS256, k.rsa, headers{"kid": "old"}, good(nil))
	fresh := sign(t, jwt.SigningMethodES256, k.p256, headers{"kid": "new"}, good(nil))
	forged := sign(t, jwt.SigningMethodES256, k.p256, headers{"kid": "forged"}, good(nil))
	if _, err := v.Authenticate(old); err != nil {
		t.Fatal(err)
	}
	both := set(t, jwk(t, k.rsa, "old", "RS256"), jwk(t, k.p256, "new", "ES256"))
	i.put(both)
	if _, err := v.Authenticate(fresh); err != nil {
		t.Fatalf("the new key: %v", err)
	}
	for name, text := range map[string][]byte{"away": nil, "empty": []byte(`{"keys":[]}`), "no set": []byte(`<html>`), "no usable key": set(t, jwk(t, k.weak, "weak", "RS256"))} {
		i.put(text)
		if _, err := v.Authenticate(forged); !errors.Is(err, entitlement.ErrUnavailable) {
			t.Errorf("%s, and a key that is not known: %v", name, err)
		}
		for _, token := range []string{old, fresh} {
			if _, err := v.Authenticate(token); err != nil {
				t.Errorf("%s: a good token is refused: %v", name, err)
			}
		}
	}
	i.put(both)
	if _, err := v.Authenticate(forged); err == nil || errors.Is(err, entitlement.ErrUnavailable) {
		t.Errorf("the issuer is back and does not have the key: %v", err)
	}
	i.put(set(t, jwk(t, k.p256, "new", "ES256")))
	_, _ = v.Authenticate(forged) // has the set fetched
	if _, err := v.Authenticate(old); err == nil {
		t.Error("the old key is gone from the set and still good")
	}
}

// However many tokens name keys that do not exist, the issuer is asked once, and good tokens are not held up.
func TestForgedTokensAreNoFlood(t *testing.T) {
	k := keyring()
	i := newIssuer(t, set(t, jwk(t, k.rsa, "rsa", "RS256")))
	v, _ := open(t, Config{Issuer: iss, JWKS: i.URL})
	whole := sign(t, jwt.SigningMethodRS256, k.rsa, headers{"kid": "rsa"}, good(nil))
	forged := sign(t, jwt.SigningMethodES256, k.p256, headers{"kid": "forged"}, good(nil))
	for n := range 50 {
		if _, err := v.Authenticate(forged); err == nil {
			t.Fatal("taken")
		} else if n > 1 && !errors.Is(err, entitlement.ErrUnavailable) {
			t.Fatalf("a key that is not known, asked for too often: %v", err)
		}
		if _, err := v.Authenticate(whole); err != nil {
			t.Fatal(err)
		}
	}
	if n := i.asked.Load(); n > 3 { // once at the start
		t.Errorf("the issuer was asked %d times", n)
	}
}

func TestAnIssuerThatIsAwayAtTheStartIsAskedAgain(t *testing.T) {
	k := keyring()
	i := newIssuer(t, nil)
	v, log := open(t, Config{Issuer: iss, JWKS: i.URL})
	token := sign(t, jwt.SigningMethodRS256, k.rsa, headers{"kid": "rsa"}, good(nil))
	if _, err := v.Authenticate(token); !errors.Is(err, entitlement.ErrUnavailable) {
		t.Errorf("without keys: %v", err)
	}
	if !strings.Contains(log.String(), "cannot be fetched") {
		t.Errorf("not told: %s", log)
	}
}

func TestKeysInAFile(t *testing.T) {
	k := keyring()
	path := filepath.Join(t.TempDir(), "keys.json")
	write := func(text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(set(t, jwk(t, k.rsa, "rsa", "RS256")))
	f := &keyFile{path: path, keys: newLastGood()}
	ids := func() (kids []string) {
		all, _ := f.keys.KeyReadAll(t.Context())
		for _, key := range all {
			kids = append(kids, key.Marshal().KID)
		}
		slices.Sort(kids)
		return kids
	}
	for _, step := range []struct {
		name string
		text []byte
		err  string
		keys string
	}{
		{"first", set(t, jwk(t, k.rsa, "rsa", "RS256")), "", "rsa"},
		{"the same", set(t, jwk(t, k.rsa, "rsa", "RS256")), "", "rsa"},
		{"another", set(t, jwk(t, k.p256, "p256", ""), jwk(t, k.ed, "ed", "")), "", "ed p256"},
		{"broken", []byte("{"), "not a set of keys", "ed p256"},
		{"still broken, which was told", []byte("{{"), "", "ed p256"},
		{"mended", set(t, jwk(t, k.ed, "ed", "")), "", "ed"},
		{"too large", make([]byte, maxSet+1), "more than", "ed"},
	} {
		write(step.text)
		err := f.reread()
		if (err == nil) != (step.err == "") || err != nil && !strings.Contains(err.Error(), step.err) || strings.Join(ids(), " ") != step.keys {
			t.Errorf("%s: %v, keys %v; want %q, %s", step.name, err, ids(), step.err, step.keys)
		}
	}
}

// A token that names a new key is no reason to wait for the next look at the file.
func TestANewKeyInAFileIsGoodAtOnce(t *testing.T) {
	k := keyring()
	path := filepath.Join(t.TempDir(), "keys.json")
	write := func(text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(set(t, jwk(t, k.rsa, "rsa", "RS256")))
	v, _ := open(t, Config{Issuer: iss, JWKS: path})
	write(set(t, jwk(t, k.rsa, "rsa", "RS256"), jwk(t, k.ed, "ed", "EdDSA")))
	if _, err := v.Authenticate(sign(t, jwt.SigningMethodEdDSA, k.ed, headers{"kid": "ed"}, good(nil))); err != nil {
		t.Error(err)
	}
}

func TestDevelopmentKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "dev.key")
	v, log := open(t, Config{DevKey: path})
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", st, err)
	}
	if !strings.Contains(log.String(), "level=WARN") {
		t.Error("no word of warning")
	}
	key, err := OpenDevKey(path)
	if err != nil {
		t.Fatal(err)
	}
	token, err := key.Token(Wish{User: "ada", Tier: "pro", May: []string{"sim:* quote"}, For: time.Hour}, noon)
	if err != nil {
		t.Fatal(err)
	}
	id, err := v.Authenticate(token)
	if err != nil || id.User != "ada" || id.May.String() != "sim:* quote" || id.Token == "" {
		t.Fatalf("%+v, %v", id, err)
	}
	other, err := OpenDevKey(filepath.Join(t.TempDir(), "other.key"))
	if err != nil {
		t.Fatal(err)
	}
	token, _ = other.Token(Wish{User: "eve", For: time.Hour}, noon)
	if _, err := v.Authenticate(token); err == nil {
		t.Error("any development key will do")
	}
	if err := os.WriteFile(path, []byte(`{"kty":"OKP"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDevKey(path); err == nil || !strings.Contains(err.Error(), "one will be made") {
		t.Errorf("a file that is none: %v", err)
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	for says, c := range map[string]Config{
		"belong together":     {JWKS: "https://id.example.com/keys"},
		"belong together ":    {Issuer: iss},
		"want https":          {Issuer: iss, JWKS: "http://id.example.com/keys"},
		"want an https URL":   {Issuer: iss, JWKS: "https://"},
		"want https; plain":   {Issuer: iss, JWKS: "ftp://id.example.com/keys"},
		"no such file":        {Issuer: iss, JWKS: "/nowhere/keys.json"},
		"want 0 to 1m0s":      {Leeway: 2 * time.Minute},
		"of development keys": {Issuer: devIssuer, JWKS: "https://id.example.com/keys"},
	} {
		if _, err := Open(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(says)) {
			t.Errorf("%+v: %v, want %q", c, err, says)
		}
	}
}

// No text but what an issuer signed is ever a token.
func FuzzAuthenticate(f *testing.F) {
	v, _ := desk(f)
	k := keyring()
	whole := sign(f, jwt.SigningMethodEdDSA, k.ed, headers{"kid": "ed"}, good(nil))
	parts := strings.Split(whole, ".")
	for _, seed := range []string{"", "..", whole, whole[:len(whole)-1], parts[0] + "." + parts[1] + ".", "e30.e30.e30", "bnVsbA.bnVsbA.", "W10.W10.W10"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		id, err := v.Authenticate(token)
		if err == nil && token != whole {
			t.Errorf("%q is taken for %+v", token, id)
		}
		if err != nil && (id != nil || err.Error() == "") {
			t.Errorf("%q: %+v, %v", token, id, err)
		}
	})
}
