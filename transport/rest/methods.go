package rest

import "net/http"

// readOnly refuses methods other than GET and HEAD.
func readOnly(f http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			fail(w, http.StatusMethodNotAllowed, "%s is not possible here: want GET", r.Method)
			return
		}
		f(w, r)
	})
}
