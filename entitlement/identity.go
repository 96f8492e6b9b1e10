package entitlement

import "errors"

// Identity is who a session is, as its token said, and what that one may have. It never changes.
type Identity struct {
	User    string // the token's subject; empty: anonymous
	Token   string // the token's own id, by which it can be revoked; empty: it has none
	Tier    string // the plan; empty: the default one
	Issued  int64  // when the token was made, in microseconds since the Unix epoch; 0: not known
	Expires int64  // until when it is good, as above; 0: for good
	May     *Set
}

// Anonymous reports whether nobody has said who this is.
func (id *Identity) Anonymous() bool { return id.User == "" }

// Expired reports whether the token is no longer good.
func (id *Identity) Expired(now int64) bool { return id.Expires != 0 && now >= id.Expires }

// ErrUnavailable says that whether a token is good cannot be found out now, which is no fault of whoever has it.
var ErrUnavailable = errors.New("tokens cannot be checked at the moment; try again in a few seconds")

// ErrRevoked says that a token was good and has been taken back.
var ErrRevoked = errors.New("the token has been revoked; sign in again")
