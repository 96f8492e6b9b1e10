package tools

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func composition(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join(deploy, "compose/compose.yaml")}, cli.WithWorkingDirectory(filepath.Join(deploy, "compose")), cli.WithEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	return o.LoadProject(t.Context())
}

// example returns the variables of env.example.
func example(t *testing.T) (env []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, "compose/env.example"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			env = append(env, line)
		}
	}
	return env
}

func TestComposeIsWhole(t *testing.T) {
	p, err := composition(t, example(t)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nats-1", "nats-2", "nats-3", "provision", "publisher", "feedd-1", "feedd-2", "nginx", "prometheus", "grafana"} {
		if _, ok := p.Services[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	pinned := regexp.MustCompile(`:v?\d+\.\d+[a-z0-9.-]*$`)
	for name, s := range p.Services {
		if s.Image != "feedd:compose" && !pinned.MatchString(s.Image) {
			t.Errorf("%s: the image %q has no version", name, s.Image)
		}
		for _, v := range s.Volumes {
			if v.Type == "bind" {
				if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
					t.Errorf("%s: %s is not there or can be written to (%v)", name, v.Source, err)
				}
			}
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to other machines", name, port.Published)
			}
		}
		for key, value := range s.Environment {
			if name == "feedd-1" && value != nil && strings.Contains(*value, "change") {
				t.Errorf("%s: %s holds a password", name, key)
			}
		}
	}
	url := *p.Services["feedd-1"].Environment["FEEDD_NATS_URL"]
	if strings.Count(url, "nats://feedd:${file:/run/secrets/nats_feedd}@nats-") != 3 {
		t.Errorf("feedd is told %s", url)
	}
	if _, err := composition(t); err == nil || !strings.Contains(err.Error(), "see env.example") {
		t.Errorf("without passwords: %v", err)
	}
}
