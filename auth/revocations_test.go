package auth

import (
	"fmt"
	"testing"

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
