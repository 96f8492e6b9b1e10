package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// lookEvery is the time between two looks at the files.
const lookEvery = 2 * time.Second

// Files is a certificate and its key, as they were when they were last good. GetCertificate and Stats may be called from
// any goroutine, the other methods from one at a time.
type Files struct {
	certFile, keyFile string
	log               *slog.Logger
	now               atomic.Pointer[pair]
	failed            atomic.Pointer[failure] // nil: what lies on disk is in use

	// Of who looks.
	seen  [2][]byte // the bytes that were judged last
	again int       // how often these bytes could not be used
}

type pair struct {
	certificate *tls.Certificate
	at          time.Time
}

type failure struct{ err error }

// Stats is how the certificate stands.
type Stats struct {
	NotAfter time.Time // when the one in use expires
	Loaded   time.Time // when it was read
	Err      error     // why what lies on disk now is not in use; nil: it is
}

// Open reads the files for the first time. The error names the file. A certificate that has expired is used all the
// same, with a word in the log: there is no better one.
func Open(certFile, keyFile string, log *slog.Logger) (*Files, error) {
	f := &Files{certFile: certFile, keyFile: keyFile, log: log}
	cert, key, err := f.read()
	if err != nil {
		return nil, err
	}
	p, err := parse(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
	}
	f.seen = [2][]byte{cert, key}
	f.now.Store(p)
	if expired(p.certificate, p.at) {
		log.Error("the certificate has expired: clients will refuse it", "file", certFile, "not_after", p.certificate.Leaf.NotAfter)
	}
	return f, nil
}

// GetCertificate is for tls.Config.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.now.Load().certificate, nil
}

// Config returns a configuration for servers that shows the newest certificate to each client.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: f.GetCertificate,
		NextProtos: []string{"http/1.1"}, // WebSockets are upgraded from it
	}
}

// Stats returns how the certificate stands.
func (f *Files) Stats() Stats {
	p := f.now.Load()
	s := Stats{NotAfter: p.certificate.Leaf.NotAfter, Loaded: p.at}
	if failed := f.failed.Load(); failed != nil {
		s.Err = failed.err
	}
	return s
}

// Run looks at the files again and again until ctx ends.
func (f *Files) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.Look()
		case <-ctx.Done():
			return
		}
	}
}

// Look reads the files again, and takes over what is new and can be used. What cannot is told once, when it is still
// the same at a second look: in between, somebody may have been writing the second file.
func (f *Files) Look() {
	cert, key, err := f.read()
	if err == nil && f.seenBefore(cert, key) && f.again == 0 {
		return
	}
	var p *pair
	if err == nil {
		p, err = parse(cert, key)
	}
	if err == nil && expired(p.certificate, p.at) && !expired(f.now.Load().certificate, p.at) {
		err = fmt.Errorf("it expired on %s", p.certificate.Leaf.NotAfter.Format(time.RFC3339))
	}
	if err != nil {
		f.refuse(cert, key, err)
		return
	}
	f.seen, f.again = [2][]byte{cert, key}, 0
	f.now.Store(p)
	f.failed.Store(nil)
	f.log.Info("certificate read again", "file", f.certFile, "not_after", p.certificate.Leaf.NotAfter)
}

func (f *Files) refuse(cert, key []byte, err error) {
	if !f.seenBefore(cert, key) {
		f.seen, f.again = [2][]byte{cert, key}, 0
	}
	if f.again++; f.again != 2 {
		return
	}
	f.failed.Store(&failure{err})
	f.log.Error("the new certificate cannot be used, the old one stays", "file", f.certFile, "key", f.keyFile, "error", err,
		"old_not_after", f.now.Load().certificate.Leaf.NotAfter)
}

func (f *Files) seenBefore(cert, key []byte) bool {
	return bytes.Equal(cert, f.seen[0]) && bytes.Equal(key, f.seen[1])
}

func (f *Files) read() (cert, key []byte, err error) {
	if cert, err = os.ReadFile(f.certFile); err != nil {
		return nil, nil, err
	}
	if key, err = os.ReadFile(f.keyFile); err != nil {
		return nil, nil, err
	}
	return cert, key, nil
}

func parse(cert, key []byte) (*pair, error) {
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	return &pair{&c, time.Now()}, nil
}

func expired(c *tls.Certificate, at time.Time) bool { return at.After(c.Leaf.NotAfter) }
