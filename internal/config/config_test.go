package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEverySettingIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range New().Settings() {
		for _, name := range []string{s.Path, s.Env, "--" + s.Flag} {
			if name != "--" && seen[name] {
				t.Errorf("%s: %s stands for another setting too", s.Path, name)
			}
			seen[name] = true
		}
		if s.Doc == "" || strings.HasSuffix(s.Doc, ".") || s.Path != strings.ToLower(s.Path) || strings.Contains(s.Path, "-") {
			t.Errorf("%s: want a path of lower-case words, and a sentence without its full stop: %q", s.Path, s.Doc)
		}
		if err := s.Set(Default, "", s.Default()); err != nil {
			t.Errorf("%s: its own default %q is refused: %v", s.Path, s.Default(), err)
		}
		section, _, nested := strings.Cut(s.Path, ".")
		titled := !nested
		for _, known := range sections {
			titled = titled || known.name == section
		}
		if !titled {
			t.Errorf("%s: the section %q has no title", s.Path, section)
		}
	}
}

// What Print writes can be read again and means the same.
func TestPrintedIsReadAgain(t *testing.T) {
	c := New()
	if err := c.parse("a.yaml", "checkpoint: {every: 90s}\nsim: {mode: off}\nlists: '#a: b'\n"); err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := c.Print(&first); err != nil {
		t.Fatal(err)
	}
	again := New()
	if err := again.parse("a.yaml", first.String()); err != nil {
		t.Fatalf("%v in\n%s", err, &first)
	}
	if again.Checkpoint.Every != 90*time.Second || again.Sim.Mode != "off" || again.Lists != "#a: b" || again.Listen != c.Listen {
		t.Errorf("read again as %+v", again)
	}
	if err := again.Print(&second); err != nil || strings.Count(first.String(), "\n") != strings.Count(second.String(), "\n") {
		t.Errorf("%v\n%s\n%s", err, &first, &second)
	}
}

func TestMistakesInAFile(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{"listen: 8080\n", `f:1: bad value "8080" for listen: want HOST:PORT, such as 127.0.0.1:8080`},
		{"\n\nlisen: 'a:1'\n", `f:3: unknown key "lisen": did you mean listen?`},
		{"admin: {lisen: 'a:1'}\n", `f:1: unknown key "admin.lisen": did you mean admin.listen?`},
		{"url: 'nats://a:1'\n", `f:1: unknown key "url": did you mean nats.url?`},
		{"nats-url: 'nats://a:1'\n", `f:1: unknown key "nats-url": did you mean nats.url?`},
		{"FEEDD_NATS_URL: 'nats://a:1'\n", `f:1: unknown key "FEEDD_NATS_URL": did you mean nats.url?`},
		{"log: {xyzzyxyzzy: 1}\n", `f:1: unknown key "log.xyzzyxyzzy": want one of level, format`},
		{"Listen: 'a:1'\n", `f:1: unknown key "Listen": did you mean listen?`},
		{"log:\n  level: info\n  level: warn\n", `f:3: log.level stands twice, in line 2 too`},
		{"log: debug\n", `f:1: log: want keys below it: level, format`},
		{"log:\n", `f:1: log: want keys below it: level, format`},
		{"listen: [a, b]\n", `f:1: listen: want one value, not a list or further keys`},
		{"listen:\n", `f:1: listen has no value: leave the key out for the default, or write "" for an empty text`},
		{"- listen\n", `f:1: want keys and values`},
		{"a: b: c\n", "f: yaml: mapping values are not allowed"},
		{"listen: a:1\n---\nlisten: b:1\n", "f:1: more than one document: want one"},
		{"sim: {rate: 2.5}\n", `f:1: bad value "2.5" for sim.rate: want a whole number`},
		{"sim: {seed: -1}\n", `f:1: bad value "-1" for sim.seed: want a whole number of 0 or more`},
		{"checkpoint: {every: 5}\n", `f:1: bad value "5" for checkpoint.every: want a duration such as 250ms, 2s or 1m`},
		{"nats: {ca: /nowhere/ca.pem}\n", `f:1: bad value "/nowhere/ca.pem" for nats.ca: want a file that can be read`},
		{"origins: [a, {b: c}]\n", `f:1: origins: want a list of words without commas`},
		{"origins: {a: b}\n", `f:1: origins: want one value`},
		{"proxy: {protocol: yes}\n", `f:1: bad value "yes" for proxy.protocol: want true or false`},
		{"overload: {heap: [0.7, 0.6, 0.9]}\n", `want three shares from 0 to 1, in ascending order, such as 0.7,0.8,0.9`},
		{"overload: {cpu: '0.7,0.8,1.1'}\n", `want three shares from 0 to 1`},
		{"overload: {cpu: '0.7,NaN,1'}\n", `want three shares from 0 to 1`},
		{"x: &a {y: 1}\nlog: *a\n", `f:1: unknown key "log.y"`},
	} {
		err := New().parse("f", c.content)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got\n%v\nwant\n%s", c.content, err, c.want)
		}
	}
	for _, good := range []string{"", "# nothing yet\n", "{}\n", "listen: a:1 # why\n", "checkpoint: {every: 0s}\n"} {
		if err := New().parse("f", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestLists(t *testing.T) {
	for _, content := range []string{"origins: [a, b]\n", "origins: ' a, b,'\n", "origins:\n- a\n- b\n"} {
		c := New()
		if err := c.parse("f", content); err != nil || strings.Join(c.Origins, "|") != "a|b" {
			t.Errorf("%q: %q, %v", content, c.Origins, err)
		}
	}
}

func TestSteps(t *testing.T) {
	c := New()
	if err := c.parse("f", "overload: {heap: [0.5, 0.6, 1]}\n"); err != nil || c.Overload.Heap != (Steps{0.5, 0.6, 1}) {
		t.Errorf("%v, %v", c.Overload.Heap, err)
	}
}

func TestSettingsThatGoTogether(t *testing.T) {
	for content, want := range map[string]string{
		"\nnats: {cert: /dev/null}\n":     "f:2: nats.cert: a certificate and its key go together",
		"tls: {key: key.pem}\n":           "tls.cert: a certificate and its key go together",
		"proxy: {protocol: true}\n":       "f:1: proxy.protocol: name the networks of the load balancers with proxy.trusted",
		"listen: 0.0.0.0:1\necho: true\n": "f:2: echo: echoes keep to no limits, so they are for a loopback address alone",
	} {
		c := New()
		if err := c.parse("f", content); err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v", content, err)
		}
	}
	if err := New().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func TestALesserSourceDoesNotOverwriteButIsJudged(t *testing.T) {
	c := New()
	rate := c.Setting("sim.rate")
	if err := rate.Set(Flag, "--sim-rate", "7"); err != nil {
		t.Fatal(err)
	}
	if err := rate.Set(File, "f:1", "8"); err != nil || c.Sim.Rate != 7 {
		t.Errorf("%v, rate %d; want 7", err, c.Sim.Rate)
	}
	if err := rate.Set(File, "f:1", "many"); err == nil || c.Sim.Rate != 7 {
		t.Errorf("%v, rate %d; want a refusal, and 7", err, c.Sim.Rate)
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	if err := New().ReadFile("/dev/zero"); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("/dev/zero: %v", err)
	}
	bomb := filepath.Join(t.TempDir(), "bomb.yaml")
	content := "a: &a [x]\n"
	for c := 'b'; c < 'z'; c++ {
		prev := string(c - 1)
		content += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+prev+",", 9) + "*" + prev + "]\n"
	}
	if err := os.WriteFile(bomb, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := New().ReadFile(bomb); err == nil {
		t.Error("a tower of aliases is accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("listen: a:1\nlog: {level: debug}\n")
	f.Add("nats: {url: 'nats://${file:/dev/null}@a'}")
	f.Add("a: &a {<<: *a}\n")
	f.Fuzz(func(_ *testing.T, content string) {
		c := New()
		if c.parse("f", content) == nil {
			_ = c.Validate()
			_ = c.Print(&bytes.Buffer{})
		}
	})
}
