package admin

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

const docsHead = `# Metrics

<!-- Written by "make generate" from admin/table.go: edit that. -->

` + "`GET /metrics`" + ` on the admin listener, in the form of Prometheus. Beside these there are those of Go and of the process
(` + "`go_…`, `process_…`" + `). Nothing is labelled by client or symbol: what concerns one client stands in the log line of its
connection's end.

| metric | labels | |
|---|---|---|
`

func TestTheDocumentationIsFresh(t *testing.T) {
	var b strings.Builder
	b.WriteString(docsHead)
	for _, m := range table {
		fmt.Fprintf(&b, "| `feedd_%s` | %s | %s |\n", m.name, strings.Join(m.labels, ", "), strings.ReplaceAll(m.help, "|", `\|`))
	}
	const path = "../docs/metrics.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if written, err := os.ReadFile(path); err != nil || string(written) != b.String() {
		t.Errorf("%s is not what the table says (%v): run make generate", path, err)
	}
}
