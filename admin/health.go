package admin

import (
	"fmt"
	"net/http"
	"strings"
)

// Check is one thing that must be well. Run returns nil or what is wrong, soon and from any goroutine.
type Check struct {
	Name string
	Run  func() error
}

// Probes are the checks behind each question. A question without checks is answered with yes.
type Probes struct {
	// Live: a node that fails must be restarted. The state of NATS is none of its business, since a
	// restart does not mend that.
	Live []Check
	// Ready: a node that fails must get no new connections. Being busy is no reason.
	Ready []Check
	// Startup: a node that fails is still booting.
	Startup []Check
	// Notes say how the node fares, in verbose answers and on the index. They decide nothing.
	Notes []Note
}

// Note is something worth knowing that is neither well nor wrong. Say is called from any goroutine.
type Note struct {
	Name string
	Say  func() string
}

func probe(checks []Check, notes []Note) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var list, failed strings.Builder
		for _, c := range checks {
			if err := c.Run(); err != nil {
				fmt.Fprintf(&list, "[-] %s: %v\n", c.Name, err)
				fmt.Fprintf(&failed, "; %s: %v", c.Name, err)
				continue
			}
			fmt.Fprintf(&list, "[+] %s\n", c.Name)
		}
		status, verdict := http.StatusOK, "ok"
		if failed.Len() > 0 {
			status, verdict = http.StatusServiceUnavailable, "failed: "+failed.String()[2:]
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		if r.URL.Query().Has("verbose") {
			for _, n := range notes {
				fmt.Fprintf(&list, "[ ] %s: %s\n", n.Name, n.Say())
			}
			fmt.Fprint(w, list.String())
		}
		fmt.Fprintln(w, verdict)
	})
}
