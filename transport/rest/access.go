package rest

import (
	"errors"
	"net/http"
	"strings"

	"github.com/feedd/feedd/entitlement"
)

// Access tells who asks. nil: nobody wants to know, and everybody may have everything.
type Access interface {
	Authenticate(token string) (*entitlement.Identity, error)
	// Anonymous returns who those are that bring no token; nil: they must have one.
	Anonymous() *entitlement.Identity
}

// anybody is who asks where nobody wants to know.
var anybody = &entitlement.Identity{May: entitlement.Everything()}

// identify returns who sent a request. Where that one is not let in, it answers, and returns nil.
func identify(a Access, w http.ResponseWriter, r *http.Request) *entitlement.Identity {
	if a == nil {
		return anybody
	}
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if kind == "" {
		if who := a.Anonymous(); who != nil {
			return who
		}
		w.Header().Set("WWW-Authenticate", "Bearer")
		fail(w, http.StatusUnauthorized, "this server wants to know who you are: send a token, as in Authorization: Bearer TOKEN")
		return nil
	}
	if !strings.EqualFold(kind, "Bearer") {
		w.Header().Set("WWW-Authenticate", "Bearer")
		fail(w, http.StatusUnauthorized, "want Authorization: Bearer TOKEN")
		return nil
	}
	who, err := a.Authenticate(strings.TrimSpace(token))
	switch {
	case err == nil:
		return who
	case errors.Is(err, entitlement.ErrUnavailable):
		w.Header().Set("Retry-After", "3")
		fail(w, http.StatusServiceUnavailable, "%v", err)
	default:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		fail(w, http.StatusUnauthorized, "%v", err)
	}
	return nil
}
