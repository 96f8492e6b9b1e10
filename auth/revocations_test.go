package auth

import (
	"errors"
	"fmt"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/feedd/feedd/entitlement"
)

func TestRevocations(t *testing.T) {
	l := NewRevocations()
	l.Add(Revocation{Token: "t1", Time: 50, Until: 100})
	l.Add(Revocation{User: "ada", Time: 50, Until: 200})
	l.Add(Revocation{User: "ada", Time: 40, Until: 900}) // comes late and says less
	l.Add(Revocation{Session: "S", Time: 50, Until: 100})
	for _, c := range []struct {
		id   entitlement.Identity
		want bool
	}{
		{entitlement.Identity{User: "bob", Token: "t1", Issued: 70}, true},
		{entitlement.Identity{User: "bob", Token: "t2"}, false},
		{entitlement.Identity{User: "ada", Token: "t2", Issued: 50}, true},
		{entitlement.Identity{User: "ada", Token: "t2", Issued: 51}, false},
		{entitlement.Identity{User: "ada"}, true}, // nobody knows when
		{entitlement.Identity{}, false},
	} {
		if l.Holds(&c.id) != c.want {
			t.Errorf("%+v: %v", c.id, !c.want)
		}
	}
	if l.Forget(100); l.Len() != 1 {
		t.Errorf("%d are left", l.Len())
	}
	if l.Forget(200); l.Len() != 0 {
		t.Errorf("%d are left", l.Len())
	}
}

func TestRevocationsAreBounded(t *testing.T) {
	l := NewRevocations()
	for i := range MaxRevocations + 2 {
		l.Add(Revocation{Token: fmt.Sprint(i), Until: int64(i)})
	}
	if l.Len() != MaxRevocations || l.Holds(&entitlement.Identity{Token: "0"}) || !l.Holds(&entitlement.Identity{Token: "2"}) {
		t.Errorf("%d are kept, and the first to be forgotten: %v", l.Len(), !l.Holds(&entitlement.Identity{Token: "0"}))
	}
}

func TestRevocationsThatSayNothing(t *testing.T) {
	good := Revocation{User: "ada", Time: 1, Until: 2}
	for name, change := range map[string]func(r *Revocation){
		"nobody":         func(r *Revocation) { r.User = "" },
		"two":            func(r *Revocation) { r.Token = "t1" },
		"no time":        func(r *Revocation) { r.Time = 0 },
		"until before":   func(r *Revocation) { r.Until = 0 },
		"a control sign": func(r *Revocation) { r.User = "a\nb" },
	} {
		r := good
		if change(&r); r.Validate() == nil {
			t.Errorf("%s: %+v is taken", name, r)
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestWhomARevocationConcerns(t *testing.T) {
	ada := &entitlement.Identity{User: "ada", Token: "t1", Issued: 50}
	for _, c := range []struct {
		r    Revocation
		id   *entitlement.Identity
		want bool
	}{
		{Revocation{User: "ada", Time: 50}, ada, true},
		{Revocation{User: "ada", Time: 49}, ada, false},
		{Revocation{User: "eve", Time: 50}, ada, false},
		{Revocation{Token: "t1"}, ada, true},
		{Revocation{Token: "t2"}, ada, false},
		{Revocation{Session: "S1"}, ada, true},
		{Revocation{Session: "S2"}, ada, false},
		{Revocation{Session: "S1"}, nil, true},
		{Revocation{User: "ada", Time: 50}, nil, false},
	} {
		if got := c.r.Concerns(c.id, "S1"); got != c.want {
			t.Errorf("%+v concerns %+v: %v", c.r, c.id, got)
		}
	}
}

// A node that has yet to hear whom others have shut out lets nobody in.
func TestNoTokenIsGoodBeforeRevocationsAreKnown(t *testing.T) {
	v, _ := desk(t)
	v.revoked = NewRevocations()
	token := sign(t, jwt.SigningMethodEdDSA, keyring().ed, headers{"kid": "ed"}, good(nil))
	if _, err := v.Authenticate(token); !errors.Is(err, entitlement.ErrUnavailable) {
		t.Errorf("before: %v", err)
	}
	v.revoked.Known()
	if _, err := v.Authenticate(token); err != nil {
		t.Errorf("after: %v", err)
	}
	v.revoked.Add(Revocation{User: "ada", Time: noon.UnixMicro(), Until: noon.UnixMicro() + 1})
	if _, err := v.Authenticate(token); !errors.Is(err, entitlement.ErrRevoked) {
		t.Errorf("revoked: %v", err)
	}
}
