package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/outbox/tlstest"
)

// A server with a certificate speaks TLS alone, on the address that it prints, and swaps the certificate while
// clients stay.
func TestServeWithTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	put := func() []byte {
		cert, key := tlstest.PEM(t, time.Now().Add(time.Hour))
		for name, b := range map[string][]byte{certFile: cert, keyFile: key} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return cert
	}
	first := put()
	server := serve(t, "--tls-cert", certFile, "--tls-key", keyFile, "--sim-instruments", "3")
	url := server.WebSocket()
	if !strings.HasPrefix(url, "wss://") || !strings.HasPrefix(server.Line("dashboard"), "https://") {
		t.Fatalf("%s", server.Text())
	}
	c := dial(t, url, client.Options{TLS: tlstest.Trusting(t, first)})
	subscribeOnceKnown(t, c, "test:FAKE")
	moves := func(m *client.Model) bool { _, ok := m.Quote("test:FAKE"); return ok }
	await(t, "quotes over TLS", c, moves)

	second := put()
	for { // until the new one is shown
		later, err := client.Dial(deadline(t), url, client.Options{TLS: tlstest.Trusting(t, second)})
		if err == nil {
			later.Close()
			break
		}
		if !strings.Contains(err.Error(), "certificate") {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := c.Err(); err != nil {
		t.Fatalf("the first client did not stay: %v", err)
	}
	if got := server.Metric("feedd_tls_certificate_refused"); got != "0" {
		t.Errorf("refused: %s", got)
	}
	server.Interrupt()
}
