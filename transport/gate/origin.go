package gate

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// CheckOrigin refuses requests of pages that may not connect. The caller counts what it refuses for that.
func (g *Gate) CheckOrigin(r *http.Request) *Refusal {
	origin := r.Header.Get("Origin")
	if g.origins.allows(origin, r.Host) {
		return nil
	}
	return &Refusal{Status: http.StatusForbidden,
		Text: fmt.Sprintf("pages of origin %q may not connect; the operator can add it to the allowed origins", origin)}
}

// Names tells whether the page that a request with an Origin comes from may connect for its own sake, since it is of the host that is
// asked or its origin was named by the operator, rather than since any may.
func (g *Gate) Names(r *http.Request) bool { return g.origins.names(r.Header.Get("Origin"), r.Host) }

// origins decides which web pages may connect. A browser tells where a page came from, and lets any page
// open a WebSocket anywhere: the check is the server's.
type origins struct {
	any     bool
	allowed map[string]bool // canonical origins; nil: same host and loopback
}

func newOrigins(list []string) (origins, error) {
	if len(list) == 0 {
		return origins{}, nil
	}
	o := origins{allowed: make(map[string]bool)}
	for _, s := range list {
		if s == "*" {
			o.any = true
			continue
		}
		c, ok := canonicalOrigin(s)
		if !ok {
			return origins{}, fmt.Errorf(`ws: origin %q must be "scheme://host" or "scheme://host:port" or "*"`, s)
		}
		o.allowed[c] = true
	}
	return o, nil
}

// allows tells whether a page of origin may connect to host, as the request names it.
func (o origins) allows(origin, host string) bool {
	if origin == "" || o.any {
		return true
	}
	canonical, ok := canonicalOrigin(origin)
	if !ok {
		return false // "null" among them: a page that does not say where it is from
	}
	if o.allowed != nil {
		return o.allowed[canonical]
	}
	scheme, at, _ := strings.Cut(canonical, "://")
	if asked, ok := canonicalOrigin(scheme + "://" + host); ok && asked == canonical {
		return true
	}
	name, _, err := net.SplitHostPort(at)
	return err == nil && isLoopback(name)
}

// names tells whether a page of origin is of the host, or was named.
func (o origins) names(origin, host string) bool {
	canonical, ok := canonicalOrigin(origin)
	if !ok || o.allowed != nil {
		return ok && o.allowed[canonical]
	}
	for _, scheme := range []string{"http", "https"} {
		if asked, ok := canonicalOrigin(scheme + "://" + host); ok && asked == canonical {
			return true
		}
	}
	return false
}

func isLoopback(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

// canonicalOrigin returns an origin in lower case and with its port.
func canonicalOrigin(s string) (string, bool) {
	u, err := url.Parse(strings.ToLower(s))
	if err != nil || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", false
	}
	port := u.Port()
	if port == "" {
		switch u.Scheme {
		case "http":
			port = "80"
		case "https":
			port = "443"
		default:
			return "", false
		}
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port), true
}
