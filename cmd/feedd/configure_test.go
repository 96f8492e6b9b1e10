package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write puts a file into a directory of the test's own and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterSourcesWin(t *testing.T) {
	path := write(t, "feedd.yaml", "sim: {mode: off, rate: 5, seed: 6}\nlog: {level: debug}\nnats: {url: 'nats://file:4222'}\n")
	t.Setenv("FEEDD_CONFIG", path)
	t.Setenv("FEEDD_SIM_RATE", "50")
	t.Setenv("FEEDD_SEED", "60")
	status, out, errs := run(t, t.Context(), "config", "print", "--seed", "600")
	if status != exitOK || errs != "" {
		t.Fatalf("status %d: %s", status, errs)
	}
	for _, want := range []string{
		"listen: 127.0.0.1:8080\n",
		"  url: nats://file:4222 # from " + path + ":3\n",
		"  mode: off # from " + path + ":1\n",
		"  rate: 50 # from FEEDD_SIM_RATE\n",
		"  seed: 600 # from --seed\n",
		"  level: debug # from " + path + ":2\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestCheckTellsAllThatIsWrong(t *testing.T) {
	path := write(t, "feedd.yaml", "lisen: x\nnats:\n  url: http://ada:hunter2@a\nlog: {level: loud}\n")
	t.Setenv("FEEDD_CHECKPOINT_EVERY", "-1s")
	status, out, errs := run(t, t.Context(), "check", "--config", path)
	want := "feedd: " + path + `:1: unknown key "lisen": did you mean listen?
feedd: ` + path + `:3: bad value "http://(hidden)@a" for nats.url: want nats://HOST:PORT, or several separated by commas
feedd: ` + path + `:4: bad value "loud" for log.level: want one of debug, info, warn, error
feedd: bad value "-1s" in FEEDD_CHECKPOINT_EVERY: want 0s to 1h
`
	if status != exitUsage || out != "" || errs != want {
		t.Errorf("status %d, got\n%s%s\nwant\n%s", status, out, errs, want)
	}
	good := write(t, "feedd.yaml", "listen: 0.0.0.0:8080\nauth:\n  anonymous: true\n")
	t.Setenv("FEEDD_CHECKPOINT_EVERY", "")
	if status, out, errs := run(t, t.Context(), "check", "--config", good); status != exitOK || !strings.Contains(out, "good") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
}

// What the settings refer to is judged as well, all of it.
func TestCheckReadsWhatSettingsReferTo(t *testing.T) {
	plans := write(t, "policy.yaml", "tiers: {free: {fastest: 0ms}}\nbogus: 1\n")
	operators := write(t, "operators", "ada admin\n")
	lists := write(t, "lists.yaml", "majors: 1\n")
	keys := write(t, "keys.json", "{}")
	status, out, errs := run(t, t.Context(), "check", "--policy", plans, "--admin-tokens", operators, "--lists", lists, "--auth-issuer", "a", "--auth-jwks", keys)
	for _, want := range []string{
		plans + `: line 1: got "0ms", want a cadence of the ladder`, plans + `: line 2: unknown key "bogus"`,
		"--admin-tokens: " + operators + ": line 1 has 2 words", "cannot use the lists of --lists: " + lists,
		`bad value "` + keys + `" for --auth-jwks: `,
	} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in\n%s", want, errs)
		}
	}
	if status != exitUsage || out != "" || strings.Count(errs, "\n") != 5 {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
}

// Whatever is printed, in whatever way a configuration is wrong, no secret is in it.
func TestSecretsAreNeverShown(t *testing.T) {
	const secret = "hunter2"
	file := write(t, "nats", secret+"\n")
	t.Setenv("NATS_PASSWORD", secret)
	for _, c := range []struct {
		content string
		status  int
		want    string
	}{
		{"nats: {url: 'nats://ada:" + secret + "@a:1'}", exitOK, "url: nats://(hidden)@a:1"},
		{"nats: {url: 'nats://ada:${file:" + file + "}@a:1'}", exitOK, "url: nats://ada:${file:" + file + "}@a:1"},
		{"nats: {url: 'nats://ada:${env:NATS_PASSWORD}@a:1'}", exitOK, "url: nats://ada:${env:NATS_PASSWORD}@a:1"},
		{"nats: {url: 'ada:${file:" + file + "}@a:1'}", exitUsage, "want nats://HOST:PORT"},
		{"nats: {url: 'nats://ada:" + secret + "@ a:1'}", exitUsage, "nats://(hidden)@ a:1"},
		{"nats: {url: 'nats://ada:${file:/nowhere/nats}@a:1'}", exitUsage, "open /nowhere/nats: no such file"},
		{"nats: {url: 'nats://ada:${vault:nats}@a:1'}", exitUsage, "the reference ${vault:nats}: want ${file:PATH} or ${env:NAME}"},
		{"nats: {urll: 'nats://ada:" + secret + "@a:1'}", exitUsage, "did you mean nats.url?"},
	} {
		path := write(t, "feedd.yaml", c.content)
		status, out, errs := run(t, t.Context(), "config", "print", "--config", path)
		if status != c.status || !strings.Contains(out+errs, c.want) || strings.Contains(out+errs, secret) {
			t.Errorf("%s: status %d, want %q in\n%s%s", c.content, status, c.want, out, errs)
		}
	}
}

func TestTheDocumentationIsFresh(t *testing.T) {
	_, out, _ := run(t, t.Context(), "config", "docs")
	written, err := os.ReadFile("../../docs/configuration.md")
	if err != nil || string(written) != out {
		t.Errorf("docs/configuration.md is not what the settings say (%v): run make generate", err)
	}
}
