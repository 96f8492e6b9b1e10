package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/outbox/tlstest"
)

// disk is a pair of files in a test.
type disk struct {
	t         *testing.T
	cert, key string
	log       bytes.Buffer
}

func newDisk(t *testing.T) *disk {
	dir := t.TempDir()
	return &disk{t: t, cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key")}
}

func (d *disk) write(path string, b []byte) {
	d.t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// put writes a new pair that is good until then, and returns the certificate.
func (d *disk) put(notAfter time.Time) []byte {
	cert, key := tlstest.PEM(d.t, notAfter)
	d.write(d.cert, cert)
	d.write(d.key, key)
	return cert
}

func (d *disk) open() *Files {
	d.t.Helper()
	f, err := Open(d.cert, d.key, slog.New(slog.NewTextHandler(&d.log, nil)))
	if err != nil {
		d.t.Fatal(err)
	}
	return f
}

// shows reports whether clients are shown the certificate of a file's bytes.
func shows(t *testing.T, f *Files, cert []byte) bool {
	t.Helper()
	c, err := f.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Leaf.Verify(verifyWith(t, cert))
	return err == nil
}

func soon() time.Time { return time.Now().Add(time.Hour) }

func TestNewFilesCountFromTheNextLook(t *testing.T) {
	d := newDisk(t)
	first := d.put(soon())
	f := d.open()
	f.Look()
	if !shows(t, f, first) || f.Stats().Err != nil {
		t.Fatal("nothing changed, and yet something did")
	}
	loaded := f.Stats().Loaded
	second := d.put(soon())
	f.Look()
	if !shows(t, f, second) || shows(t, f, first) || !f.Stats().Loaded.After(loaded) {
		t.Error("the second certificate is not shown")
	}
}

func TestWhatCannotBeUsedChangesNothing(t *testing.T) {
	for name, spoil := range map[string]func(d *disk){
		"a key of another certificate": func(d *disk) { _, key := tlstest.PEM(d.t, soon()); d.write(d.key, key) },
		"half a file":                  func(d *disk) { cert, _ := tlstest.PEM(d.t, soon()); d.write(d.cert, cert[:len(cert)/2]) },
		"an empty file":                func(d *disk) { d.write(d.cert, nil) },
		"no file":                      func(d *disk) { _ = os.Remove(d.key) },
		"one that has expired":         func(d *disk) { d.put(time.Now().Add(-time.Minute)) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			good := d.put(soon())
			f := d.open()
			spoil(d)
			f.Look()
			if f.Stats().Err != nil || d.log.Len() > 0 {
				t.Error("told at the first look: the other file may just be on its way")
			}
			for range 3 {
				f.Look()
			}
			if !shows(t, f, good) || f.Stats().Err == nil || f.Stats().NotAfter.Before(time.Now()) {
				t.Errorf("after the second look: the old one is shown: %v, %+v", shows(t, f, good), f.Stats())
			}
			if n := strings.Count(d.log.String(), "level=ERROR"); n != 1 {
				t.Errorf("told %d times:\n%s", n, d.log.String())
			}
			good = d.put(soon())
			f.Look()
			if !shows(t, f, good) || f.Stats().Err != nil {
				t.Errorf("mended, and yet %+v", f.Stats())
			}
		})
	}
}

// The key is written a moment after the certificate, and somebody looks in between.
func TestALookBetweenTheTwoFilesIsNoAlarm(t *testing.T) {
	d := newDisk(t)
	d.put(soon())
	f := d.open()
	cert, key := tlstest.PEM(t, soon())
	d.write(d.cert, cert)
	f.Look()
	d.write(d.key, key)
	f.Look()
	if !shows(t, f, cert) || f.Stats().Err != nil || strings.Contains(d.log.String(), "ERROR") {
		t.Errorf("%+v\n%s", f.Stats(), d.log.String())
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	d := newDisk(t)
	if _, err := Open(d.cert, d.key, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), d.cert) {
		t.Errorf("no file: %v", err)
	}
	d.put(soon())
	d.write(d.key, []byte("x"))
	if _, err := Open(d.cert, d.key, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), d.key) {
		t.Errorf("no key: %v", err)
	}
	cert := d.put(time.Now().Add(-time.Hour))
	if f := d.open(); !shows(t, f, cert) || !strings.Contains(d.log.String(), "expired") {
		t.Errorf("expired at the start: shown %v, told %q", shows(t, f, cert), d.log.String())
	}
	if c := d.open().Config(); c.MinVersion != tls.VersionTLS12 {
		t.Error("old versions of TLS are taken")
	}
}

func verifyWith(t *testing.T, cert []byte) x509.VerifyOptions {
	roots := tlstest.Trusting(t, cert).RootCAs
	return x509.VerifyOptions{Roots: roots, CurrentTime: time.Now().Add(-24 * time.Hour), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
}
