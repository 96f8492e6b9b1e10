package listen

import (
	"net/http"
	"net/netip"
	"strings"
)

// Forwarded has requests out of trusted networks say whom they come from: their RemoteAddr becomes the last address in
// X-Forwarded-For that is not itself trusted, with port 0. What stands ahead of that one anybody may have written.
func Forwarded(trusted Networks, h http.Handler) http.Handler {
	if len(trusted) == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from, ok := trusted.origin(r); ok {
			r.RemoteAddr = netip.AddrPortFrom(from, 0).String()
		}
		h.ServeHTTP(w, r)
	})
}

// origin returns the address behind the trusted ones. ok is false where the request tells none that can be believed.
func (n Networks) origin(r *http.Request) (from netip.Addr, ok bool) {
	if !n.holds(r.RemoteAddr) {
		return netip.Addr{}, false
	}
	// Several headers are one list, in order (RFC 9110, section 5.3).
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		addr, valid := parseAddress(strings.TrimSpace(hops[i]))
		if !valid {
			return from, ok // whoever wrote this is the last one that is known
		}
		from, ok = addr, true
		if !n.holds(addr.String()) {
			break
		}
	}
	return from, ok
}
