package stream

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/feedd/feedd/transport/carrier"
	"github.com/feedd/feedd/transport/gate"
)

// answer serves a request, or says why not.
type answer func(w http.ResponseWriter, r *http.Request) *gate.Refusal

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
			refused = &gate.Refusal{
				Status: http.StatusMethodNotAllowed, Text: fmt.Sprintf("%s is not possible here: want %s", r.Method, wanted), Header: "Allow", Value: allowed,
			}
		default:
			refused = f(w, r)
		}
		if refused != nil {
			refused.Write(w)
		}
	})
}

// The headers that we add, which pages of other origins may read.
const (
	headerSecret = "Feedd-Secret" // under which further requests come
	headerAnswer = "Feedd-Answer" // the number of an answer to a poll
)

// crossOrigin lets pages of the allowed origins read what we answer, and refuses others.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) *gate.Refusal {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if refused := s.opt.Gate.CheckOrigin(r); refused != nil {
		s.opt.Gate.CountRefused(refused.Status)
		return refused
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", headerSecret+", "+headerAnswer+", Retry-After")
	if s.opt.Gate.Names(r) {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	return nil
}

// enter lets a client in.
func (s *Server) enter(r *http.Request) (*gate.Entry, *gate.Refusal) {
	token, wrong := s.token(r)
	if wrong != nil {
		s.opt.Gate.CountRefused(wrong.Status)
		return nil, wrong
	}
	entry, refused := s.opt.Gate.Enter(r, token)
	if refused == nil {
		carrier.Of(r).Tune(s.opt.Log)
	}
	return entry, refused
}

// tokenCookie is the cookie in which a page's own site may leave the token, for an EventSource, which cannot send headers.
const tokenCookie = "feedd_token"

// token returns what a request's headers say of who sent it; "" for nothing.
func (s *Server) token(r *http.Request) (string, *gate.Refusal) {
	if given := r.Header.Get("Authorization"); given != "" {
		kind, token, _ := strings.Cut(given, " ")
		if !strings.EqualFold(kind, "Bearer") {
			return "", gate.Unauthenticated("want Authorization: Bearer TOKEN", "")
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
	if r.Header.Get("Origin") != "" {
		return s.opt.Gate.Names(r)
	}
	return !slices.Contains([]string{"cross-site", "same-site"}, r.Header.Get("Sec-Fetch-Site"))
}
