package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// mint runs "feedd token".
func mint(t *testing.T, key, user string, more ...string) string {
	t.Helper()
	p := command(t, append([]string{"token", "--key", key, "--user", user}, more...)...)
	if code := p.Wait(); code != 0 {
		t.Fatalf("feedd token: %s", p.Stderr())
	}
	return strings.TrimSpace(p.Text())
}

// subscribeEventually subscribes to the quotes of a symbol as soon as the server knows it.
func subscribeEventually(t *testing.T, c *client.Client, symbol string) {
	t.Helper()
	ctx := deadline(t)
	for {
		got, err := c.Subscribe(ctx, &feedv1.Subscribe{Symbols: []string{symbol}, CadenceMs: proto.Uint32(0)})
		if err != nil {
			t.Fatal(err)
		}
		if got.Results[0].Handle != 0 {
			return
		}
		if got.Results[0].Code != feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL {
			t.Fatal(got.Results[0])
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// secretsIn returns the long words of a key's file that are not public.
func secretsIn(t *testing.T, path string) (secrets []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var key struct{ D string }
	if err := json.Unmarshal(text, &key); err != nil || len(key.D) < 20 {
		t.Fatalf("no secret in the key: %v", err)
	}
	return []string{key.D}
}

// Tokens of a development key open what they say and nothing else, over WebSocket and HTTP; and whatever happens, none of
// them and no key is ever in a log, however much is logged.
func TestTokensAndNothingOfThemInTheLog(t *testing.T) {
	key := filepath.Join(t.TempDir(), "dev.key")
	token := mint(t, key, "ada", "--may", "test:* quote", "--may", "sim:* book depth=5", "--id", "t-ada")
	other := mint(t, key, "ada", "--may", "*", "--id", "t-more")
	server := serve(t, "--auth-dev-key", key, "--sim-instruments", "3", "--log-level", "debug")
	url := server.WebSocket()

	var refused *client.Error
	if _, err := client.Dial(deadline(t), url, client.Options{}); !errors.As(err, &refused) || refused.Code != feedv1.ErrorCode_ERROR_CODE_UNAUTHENTICATED {
		t.Fatalf("without a token: %v", err)
	}
	bad := token[:len(token)-4] + "AAAA"
	if _, err := client.Dial(deadline(t), url, client.Options{Token: bad}); !errors.As(err, &refused) || refused.Code != feedv1.ErrorCode_ERROR_CODE_UNAUTHENTICATED {
		t.Fatalf("with a forged token: %v", err)
	}
	c := dial(t, url, client.Options{Token: token})
	subscribeEventually(t, c, "test:FAKE")
	await(t, "quotes", c, func(m *client.Model) bool { _, ok := m.Quote("test:FAKE"); return ok })
	got, err := c.Subscribe(deadline(t), &feedv1.Subscribe{Symbols: []string{"test:FAKE"}, Channels: []string{"trade"}})
	if err != nil || got.Results[0].Code != feedv1.ErrorCode_ERROR_CODE_NOT_ENTITLED {
		t.Fatalf("%v, %v", got, err)
	}
	answer, err := c.Request(deadline(t), &feedv1.ClientFrame{Request: &feedv1.ClientFrame_RefreshToken{RefreshToken: &feedv1.RefreshToken{Token: other}}})
	if err != nil || answer.Identity.GetUser() != "ada" {
		t.Fatalf("%v, %v", answer, err)
	}
	if got, err := c.Subscribe(deadline(t), &feedv1.Subscribe{Symbols: []string{"test:FAKE"}, Channels: []string{"trade"}}); err != nil || got.Results[0].Handle == 0 {
		t.Fatalf("with the new token: %v, %v", got, err)
	}

	web := strings.TrimSuffix(server.Line("dashboard"), "/")
	for _, ask := range []struct {
		path, token string
		status      int
		has         string
	}{
		{"/v1/instruments", "", 401, "who you are"},
		{"/v1/instruments?q=fake", token, 200, "test:FAKE"},
		{"/v1/instruments", bad, 401, "signature"},
		{"/v1/snapshot?symbols=test:FAKE", token, 200, "quoteTexts"},
		{"/v1/snapshot?symbols=test:FAKE&channels=trade", token, 403, "not entitled"},
		{"/v1/ws?token=" + token, "", 426, ""}, // no WebSocket, and a token where none belongs
	} {
		r, err := http.NewRequestWithContext(deadline(t), http.MethodGet, web+ask.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ask.token != "" {
			r.Header.Set("Authorization", "Bearer "+ask.token)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != ask.status || !strings.Contains(string(body), ask.has) {
			t.Errorf("%.40s: %s %s, want %d with %q", ask.path, response.Status, body, ask.status, ask.has)
		}
	}
	usage, err := http.Get(strings.TrimSuffix(server.Line("admin"), "/") + "/v1/usage?format=csv")
	if err != nil {
		t.Fatal(err)
	}
	counted, _ := io.ReadAll(usage.Body)
	usage.Body.Close()
	if !strings.Contains(string(counted), ",ada,test,quote,0,1,1,1,") {
		t.Errorf("usage is not counted: %s %s", usage.Status, counted)
	}
	c.Close()
	server.Interrupt()
	logged := server.Stderr() + server.Text()
	if !strings.Contains(logged, "level=DEBUG") {
		t.Fatal("nothing is logged at level debug, so this proves nothing")
	}
	for _, whole := range []string{token, other, bad} {
		for _, part := range strings.Split(whole, ".") {
			if strings.Contains(logged, part) {
				t.Errorf("a part of a token is in the log: %.16s…", part)
			}
		}
	}
	for _, secret := range secretsIn(t, key) {
		if strings.Contains(logged, secret) {
			t.Error("the development key is in the log")
		}
	}
}

// Listening beyond this machine without asking anybody who he is must be said to be meant.
func TestNobodyListensToAllByAccident(t *testing.T) {
	p := command(t, "serve", "--listen", "0.0.0.0:0", "--admin-listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--sim-instruments", "3")
	if code := p.Wait(); code != 2 || !strings.Contains(p.Stderr(), "--anonymous") {
		t.Fatalf("exit status %d: %s", code, p.Stderr())
	}
	server := serve(t, "--listen", "127.0.0.1:0", "--anonymous", "--sim-instruments", "3")
	dial(t, server.WebSocket(), client.Options{})
	server.Interrupt()
}
