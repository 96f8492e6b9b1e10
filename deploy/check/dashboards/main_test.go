package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const grafana = "../../grafana/dashboards"

func TestDashboardsAreFresh(t *testing.T) {
	for name, o := range dashboards() {
		want, err := encode(o)
		if err != nil {
			t.Fatal(err)
		}
		if have, err := os.ReadFile(filepath.Join(grafana, name)); err != nil || string(have) != string(want) {
			t.Errorf("%s is not what the table says (%v): run make generate", name, err)
		}
	}
}

// Every metric that a dashboard or a rule names is one that feedd, Go or Prometheus has; every label of a feedd metric too.
func TestMetricsExist(t *testing.T) {
	docs, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(feedd_[a-z_]+)` \\| ([a-z, ]*) \\|").FindAllStringSubmatch(string(docs), -1) {
		labels[m[1]] = m[2]
	}
	if len(labels) < 40 {
		t.Fatalf("only %d metrics found in the documentation", len(labels))
	}
	rules, err := os.ReadFile("../../prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"rules.yaml": string(rules)}
	for _, r := range overview {
		for _, p := range r.panels {
			for _, l := range p.lines {
				texts[p.title] += l.expr + "\n"
			}
			if p.title == "" || p.unit == "" || p.width == 0 || len(p.lines) == 0 {
				t.Errorf("panel %q is not whole", p.title)
			}
		}
	}
	name := regexp.MustCompile(`\b(feedd_[a-z_0-9]+)(\{[^}]*\})?`)
	label := regexp.MustCompile(`([a-z_]+)\s*(?:=~|!=|!~|=)\s*"`)
	for where, text := range texts {
		for _, m := range name.FindAllStringSubmatch(text, -1) {
			metric := m[1]
			if _, ok := labels[metric]; !ok {
				for _, suffix := range []string{"_bucket", "_count", "_sum"} {
					metric = strings.TrimSuffix(metric, suffix)
				}
			}
			known, ok := labels[metric]
			if !ok {
				t.Errorf("%s: there is no metric %s", where, m[1])
				continue
			}
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				if has := strings.Split(known, ", "); l[1] != "job" && l[1] != "instance" && l[1] != "le" && !contains(has, l[1]) {
					t.Errorf("%s: %s has no label %s, but %q", where, metric, l[1], known)
				}
			}
		}
	}
}

func contains(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

// Each alert has a test, says how bad it is, and links to a runbook that is there.
func TestAlertsAreWhole(t *testing.T) {
	rules, err := os.ReadFile("../../prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("../../prometheus/tests/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := strings.Split(string(rules), "- alert: ")[1:]
	if len(alerts) < 20 {
		t.Fatalf("only %d alerts found", len(alerts))
	}
	for _, a := range alerts {
		name := strings.TrimSpace(strings.SplitN(a, "\n", 2)[0])
		if !regexp.MustCompile(`labels: \{severity: (page|ticket)\}`).MatchString(a) || !strings.Contains(a, "summary: ") || !strings.Contains(a, "description: ") {
			t.Errorf("%s does not say how bad it is, or what", name)
		}
		link := regexp.MustCompile(`runbook_url: https://github.com/feedd/feedd/blob/main/deploy/(runbooks/[a-z]+\.md)`).FindStringSubmatch(a)
		if link == nil {
			t.Errorf("%s has no runbook", name)
			continue
		}
		book, err := os.ReadFile("../../" + link[1])
		if err != nil || !strings.Contains(string(book), name) {
			t.Errorf("%s: %s does not speak of it (%v)", name, link[1], err)
		}
		if !regexp.MustCompile(`alertname: ` + name + `\b[^}]*\n(?s:.*?)exp_labels`).MatchString(string(tests)) {
			t.Errorf("%s is never raised in a test", name)
		}
	}
}
