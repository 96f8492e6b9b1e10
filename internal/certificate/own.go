package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"time"
)

const (
	// ownLasts is how long a certificate of our own is good. Browsers take one by its hash for 14 days at most.
	ownLasts = 13 * 24 * time.Hour
	// ownSlack is how far behind a client's clock may be.
	ownSlack = 24 * time.Hour
	// ownUsed is how long it is shown. Those who were told its hash at the end of that have six days to use it.
	ownUsed = 6 * 24 * time.Hour
)

// Own is a certificate that this process makes for itself and signs itself, and makes anew ahead of its end. Nobody vouches
// for it: a client has to be told its hash over a connection that it trusts. Its methods may be called from any goroutine.
type Own struct {
	clock func() time.Time

	mu   sync.Mutex
	now  *tls.Certificate
	made time.Time
}

// NewOwn makes the first certificate.
func NewOwn(clock func() time.Time) (*Own, error) {
	o := &Own{clock: clock}
	_, err := o.current()
	return o, err
}

// current returns the certificate of this moment.
func (o *Own) current() (*tls.Certificate, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.clock()
	if o.now != nil && now.Sub(o.made) < ownUsed {
		return o.now, nil
	}
	made, err := makeOwn(now)
	if err != nil {
		return nil, err
	}
	o.now, o.made = made, now
	return made, nil
}

// GetCertificate is for tls.Config.
func (o *Own) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return o.current() }

// Config returns a configuration for servers of QUIC.
func (o *Own) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: o.GetCertificate}
}

// SHA256 is the hash of the certificate of this moment, by which clients know it; nil: none can be made.
func (o *Own) SHA256() []byte {
	c, err := o.current()
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(c.Leaf.Raw)
	return sum[:]
}

// makeOwn makes a certificate as browsers want those that they take by hash: ECDSA on P-256, and short-lived.
func makeOwn(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	from := now.Add(-ownSlack)
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "feedd"}, NotBefore: from, NotAfter: from.Add(ownLasts),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
