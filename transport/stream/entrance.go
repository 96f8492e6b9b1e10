package stream

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/feedd/feedd/transport/ws"
)

// fault is an answer to a request that is not served. Its text says what would be right.
type fault struct {
	status        int
	text          string
	header, value string // one more header; "" for none
}

// answer serves a request, or says why not.
type answer func(w http.ResponseWriter, r *http.Request) *fault

// entrance is what all requests go through first: where they come from, and whether the method is one of those that serve.
func (s *Server) entrance(serve map[string]answer) http.Handler {
	methods := slices.Sorted(maps.Keys(serve))
	wanted, allowed := strings.Join(methods, " or "), strings.Join(append(methods, http.MethodOptions), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store, no-transform") // the latter keeps proxies from compressing, and so from holding back
		h.Set("X-Accel-Buffering", "no")                 // nginx
		h.Set("X-Content-Type-Options", "nosniff")
		refused := s.crossOrigin(w, r)
		f := serve[r.Method]
		switch {
		case refused != nil:
		case r.Method == http.MethodOptions:
			h.Set("Access-Control-Allow-Methods", allowed)
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		case f == nil:
			refused = &fault{http.StatusMethodNotAllowed, fmt.Sprintf("%s is not possible here: want %s", r.Method, wanted), "Allow", allowed}
		default:
			refused = f(w, r)
		}
		if refused != nil {
			refused.write(w)
		}
	})
}

func (f *fault) write(w http.ResponseWriter) {
	if f.header != "" {
		w.Header().Set(f.header, f.value)
	}
	http.Error(w, f.text, f.status)
}

// The headers that we add, which pages of other origins may read.
const (
	headerSecret = "Feedd-Secret" // under which further requests come
	headerAnswer = "Feedd-Answer" // the number of an answer to a poll
)

// crossOrigin lets pages of the allowed origins read what we answer, and refuses others.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) *fault {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	allowed, named := s.opt.Gate.Allows(origin, r.Host)
	if !allowed {
		s.opt.Gate.CountRefused(http.StatusForbidden)
		return &fault{status: http.StatusForbidden, text: fmt.Sprintf("pages of origin %q may not connect; the operator can add it to the allowed origins", origin)}
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", headerSecret+", "+headerAnswer+", Retry-After")
	if named {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	return nil
}

// enter lets a client in.
func (s *Server) enter(r *http.Request) (*ws.Entry, *fault) {
	token, wrong := s.token(r)
	if wrong != nil {
		s.opt.Gate.CountRefused(wrong.status)
		return nil, wrong
	}
	entry, refused := s.opt.Gate.Enter(r, token)
	if refused != nil {
		return nil, &fault{refused.Status, refused.Text, refused.Header, refused.Value}
	}
	return entry, nil
}

// tokenCookie is the cookie in which a page's own site may leave the token, for an EventSource, which cannot send headers.
const tokenCookie = "feedd_token"

// token returns what a request's headers say of who sent it; "" for nothing.
func (s *Server) token(r *http.Request) (string, *fault) {
	if given := r.Header.Get("Authorization"); given != "" {
		kind, token, _ := strings.Cut(given, " ")
		if !strings.EqualFold(kind, "Bearer") {
			return "", &fault{http.StatusUnauthorized, "want Authorization: Bearer TOKEN", "WWW-Authenticate", "Bearer"}
		}
		return strings.TrimSpace(token), nil
	}
	cookie, err := r.Cookie(tokenCookie)
	if err != nil || !s.mayUseCookies(r) {
		return "", nil
	}
	return cookie.Value, nil
}

// mayUseCookies tells whether a request's cookies count. A browser sends them along whichever page made it ask: they count only
// for pages of our own host, and of origins that the operator named.
func (s *Server) mayUseCookies(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		_, named := s.opt.Gate.Allows(origin, r.Host)
		return named
	}
	return !slices.Contains([]string{"cross-site", "same-site"}, r.Header.Get("Sec-Fetch-Site"))
}
