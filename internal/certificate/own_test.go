package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"testing"
	"time"
)

// What browsers ask of a certificate that they take by its hash: https://www.w3.org/TR/webtransport/#custom-certificate-requirements.
func TestOwnIsTakenByItsHash(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	o, err := NewOwn(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	before := o.SHA256()
	for day := range 30 {
		c, err := o.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.PrivateKey.(*ecdsa.PrivateKey); !ok {
			t.Errorf("a key of type %T", c.PrivateKey)
		}
		if all := c.Leaf.NotAfter.Sub(c.Leaf.NotBefore); all > 14*24*time.Hour {
			t.Errorf("it is good for %v", all)
		}
		// Whoever was told of it now, and whoever has a clock that is behind, can use it for a while.
		for _, at := range []time.Time{now.Add(-ownSlack / 2), now.Add(5 * 24 * time.Hour)} {
			if at.Before(c.Leaf.NotBefore) || at.After(c.Leaf.NotAfter) {
				t.Errorf("day %d: not good at %v: %v to %v", day, at, c.Leaf.NotBefore, c.Leaf.NotAfter)
			}
		}
		sum := sha256.Sum256(c.Certificate[0])
		if got := o.SHA256(); !bytes.Equal(got, sum[:]) {
			t.Errorf("told as %x, is %x", got, sum)
		}
		if same := bytes.Equal(before, sum[:]); same == (day > 0 && day%6 == 0) {
			t.Errorf("day %d: the same as the day before: %v", day, same)
		}
		before = sum[:]
		now = now.Add(24 * time.Hour)
	}
}
