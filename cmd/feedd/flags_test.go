package main

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"
	"time"
)

func testFlags() *flag.FlagSet {
	fs := newFlagSet("test", "Usage: feedd test\n")
	fs.String("nats-url", "", "`URL` of a NATS server")
	fs.Duration("linger", time.Second, "how long to linger")
	fs.Int("instruments", 40, "how many `instruments`")
	fs.Float64("speed", 1, "how fast")
	fs.Bool("loop", false, "again and again")
	fs.Func("sim", "on or off", func(v string) error {
		if v != "on" && v != "off" {
			return errors.New("want on or off")
		}
		return nil
	})
	return fs
}

func TestFlagsComeFromTheEnvironmentAndTheCommandLineWins(t *testing.T) {
	t.Setenv("FEEDD_NATS_URL", "nats://env")
	t.Setenv("FEEDD_INSTRUMENTS", "7")
	t.Setenv("FEEDD_SPEED", "")
	fs := testFlags()
	if err := parseFlags(fs, []string{"--instruments", "9", "rest"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"nats-url": "nats://env", "instruments": "9", "speed": "1"} {
		if got := fs.Lookup(name).Value.String(); got != want {
			t.Errorf("--%s is %q, want %q", name, got, want)
		}
	}
	if fs.NArg() != 1 || fs.Arg(0) != "rest" {
		t.Errorf("arguments %q, want [rest]", fs.Args())
	}
}

func TestBadFlagsAreNamedWithWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct {
		name string
		env  [2]string
		args []string
		want string
	}{
		{"misspelt", [2]string{}, []string{"--nats-uri", "x"}, "unknown flag --nats-uri: did you mean --nats-url?"},
		{"unknown", [2]string{}, []string{"--zzzzzzzzz"}, `unknown flag --zzzzzzzzz: "feedd help test" lists those there are`},
		{"behind good ones", [2]string{}, []string{"--loop", "--speed=2", "--bogus-thing"}, "unknown flag --bogus-thing"},
		{"without value", [2]string{}, []string{"--nats-url"}, "flag --nats-url needs a value"},
		{"bad integer", [2]string{}, []string{"--instruments", "many"}, `bad value "many" for --instruments: want a whole number`},
		{"bad duration", [2]string{}, []string{"-linger=5"}, `bad value "5" for --linger: want a duration such as 250ms`},
		{"bad number", [2]string{}, []string{"--speed", "fast"}, `bad value "fast" for --speed: want a number`},
		{"bad boolean", [2]string{}, []string{"--loop=maybe"}, `bad value "maybe" for --loop: want true or false`},
		{"own words", [2]string{}, []string{"--sim", "perhaps"}, `bad value "perhaps" for --sim: want on or off`},
		{"bad environment", [2]string{"FEEDD_LINGER", "long"}, nil, `bad value "long" in FEEDD_LINGER: want a duration`},
		{"bad environment, good flag", [2]string{"FEEDD_SIM", "x"}, []string{"--sim", "on"}, `bad value "x" in FEEDD_SIM: want on or off`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.env[0] != "" {
				t.Setenv(c.env[0], c.env[1])
			}
			err := parseFlags(testFlags(), c.args)
			var usage *usageError
			if !errors.As(err, &usage) {
				t.Fatalf("got %v, want a usageError", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	t.Setenv("FEEDD_INSTRUMENTS", "bad, and no reason to refuse help")
	var help *helpError
	if err := parseFlags(testFlags(), []string{"--help"}); !errors.As(err, &help) {
		t.Fatalf("got %v, want a helpError", err)
	}
	var out bytes.Buffer
	help.flags.SetOutput(&out)
	help.flags.Usage()
	for _, want := range []string{"Usage: feedd test", "--nats-url URL", "[FEEDD_NATS_URL]", "(default 40)", "(default 1s)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("usage lacks %q:\n%s", want, out.String())
		}
	}
}

func TestUnknownEnvironmentIsWarnedOf(t *testing.T) {
	known := []string{"FEEDD_LISTEN", "FEEDD_NATS_URL"}
	got := unknownEnv([]string{
		"HOME=/root", "FEEDD_LISTEN=:80", "FEEDD_LISTNE=:80", "FEEDD_SOMETHING_ELSE=1",
		"FEEDD_TICKS=/ticks", "FEEDD_SERVICE_HOST=10.0.0.1", "FEEDD_PORT_8080_TCP=tcp://10.0.0.1:8080",
	}, known)
	want := []string{
		"environment variable FEEDD_LISTNE matches no setting and is ignored; did you mean FEEDD_LISTEN?",
		"environment variable FEEDD_SOMETHING_ELSE matches no setting and is ignored",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
