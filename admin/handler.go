package admin

import (
	"fmt"
	"html"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const index = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>feedd admin</title>
<style>body{font:15px/1.6 system-ui,sans-serif;margin:3em;color-scheme:light dark}dt{font-weight:600}</style>
<h1>feedd</h1>
<dl>
%s</dl>
<dl>
<dt><a href="ops/">/ops</a><dd>sessions, lanes, sources and the policy, live
<dt><a href="livez?verbose=1">/livez</a><dd>is the process alive
<dt><a href="readyz?verbose=1">/readyz</a><dd>may it get new connections
<dt><a href="startupz?verbose=1">/startupz</a><dd>has it booted
<dt><a href="metrics">/metrics</a><dd>Prometheus metrics
<dt><a href="debug/pprof/">/debug/pprof/</a><dd>Go's profiler
<dt><a href="debug/flight">/debug/flight</a><dd>the last moments, for "go tool trace", where flight.late is set
</dl>
</html>
`

// Handler serves the admin pages.
func Handler(p Probes, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /livez", probe(p.Live, nil))
	mux.Handle("GET /readyz", probe(p.Ready, p.Notes))
	mux.Handle("GET /startupz", probe(p.Startup, nil))
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		var notes strings.Builder
		for _, n := range p.Notes {
			fmt.Fprintf(&notes, "<dt>%s<dd>%s\n", html.EscapeString(n.Name), html.EscapeString(n.Say()))
		}
		_, _ = fmt.Fprintf(w, index, notes.String())
	})
	return mux
}
