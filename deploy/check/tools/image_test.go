package tools

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

func dockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, "docker/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Warnings) > 0 {
		t.Errorf("warnings: %+v", parsed.Warnings)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

// commands returns the instructions of a type.
func commands[T instructions.Command](s instructions.Stage) (found []T) {
	for _, c := range s.Commands {
		if it, ok := c.(T); ok {
			found = append(found, it)
		}
	}
	return found
}

func TestImageIsSmallAndMayLittle(t *testing.T) {
	stages := dockerfile(t)
	if len(stages) != 2 {
		t.Fatalf("%d stages, want one that builds and one that runs", len(stages))
	}
	pinned := regexp.MustCompile(`^[a-z0-9./-]+:[a-z0-9.-]+$`)
	for _, s := range stages {
		if !pinned.MatchString(s.BaseName) || strings.HasSuffix(s.BaseName, ":latest") {
			t.Errorf("the base %q has no version", s.BaseName)
		}
	}
	final := stages[1]
	if !strings.Contains(final.BaseName, "distroless/static") {
		t.Errorf("the image is based on %s", final.BaseName)
	}
	if users := commands[*instructions.UserCommand](final); len(users) != 1 || !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(users[0].User) {
		t.Errorf("the user is %+v; want a number other than 0, which Kubernetes can judge", users)
	}
	if runs := commands[*instructions.RunCommand](final); len(runs) > 0 {
		t.Errorf("the image has no shell to run %v", runs)
	}
	health := commands[*instructions.HealthCheckCommand](final)
	entry := commands[*instructions.EntrypointCommand](final)
	if len(entry) != 1 || entry[0].PrependShell || len(health) != 1 || !slices.Equal(health[0].Health.Test, []string{"CMD", entry[0].CmdLine[0], "healthcheck"}) {
		t.Errorf("entry point %+v, health check %+v: want both without a shell", entry, health)
	}
	var version string
	for _, line := range strings.Split(stages[0].BaseName, ":")[1:] {
		version, _, _ = strings.Cut(line, "-")
	}
	mod, err := os.ReadFile(filepath.Join(deploy, "../go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))[1]
	if !strings.HasPrefix(version, want+".") {
		t.Errorf("built with Go %s, while go.mod wants %s", version, want)
	}
}

// Everything that is copied from here is there, and not left out by .dockerignore, which leaves out what is large.
func TestImageIsBuiltFromWhatIsThere(t *testing.T) {
	root := filepath.Join(deploy, "..")
	text, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	left := func(path string) bool {
		out, err := ignored.MatchesOrParentMatches(path)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range commands[*instructions.CopyCommand](dockerfile(t)[0]) {
		for _, source := range c.SourcePaths {
			if _, err := os.Stat(filepath.Join(root, source)); err != nil || left(source) {
				t.Errorf("%s is copied and not there (%v)", source, err)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{if not .Standard}}{{.Dir}}{{range .EmbedFiles}} {{.}}{{end}}{{end}}`, "./cmd/feedd")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	absolute, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		dir, err := filepath.Rel(absolute, fields[0])
		if err != nil || strings.HasPrefix(dir, "..") {
			continue // of another module
		}
		n++
		for _, file := range append([]string{"x.go"}, fields[1:]...) {
			if left(filepath.Join(dir, file)) {
				t.Errorf("%s/%s is needed and left out by .dockerignore", dir, file)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d packages found", n)
	}
	for _, large := range []string{".git/HEAD", "node_modules/x", "web/node_modules/x", "bin/feedd", "benchmarks/results/x"} {
		if !left(large) {
			t.Errorf("%s is sent to the builder", large)
		}
	}
}

// What the image builds is built here, and holds what it must: one static program that says its version.
func TestImageBuildsAStaticProgram(t *testing.T) {
	var line string
	for _, r := range commands[*instructions.RunCommand](dockerfile(t)[0]) {
		if strings.Contains(r.CmdLine[0], "go build") {
			line = r.CmdLine[0]
		}
	}
	path := filepath.Join(t.TempDir(), "feedd")
	line = strings.ReplaceAll(line, "/out/feedd", path)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = filepath.Join(deploy, ".."), append(os.Environ(), "VERSION=v9.8.7")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if libraries, err := program.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("needs %v, %v", libraries, err)
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("needs a dynamic linker")
		}
	}
	if out := run(t, t.TempDir(), path, "version"); strings.TrimSpace(out) != "feedd v9.8.7" {
		t.Errorf("says %q", out)
	}
}
