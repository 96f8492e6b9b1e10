package config

import "time"

// Config is what a node is told at its start. New makes one; it is not changed once it has been read.
type Config struct {
	Listen  string   // HOST:PORT
	Origins []string // empty: this host and this machine
	Echo    bool
	TLS     struct {
		Cert, Key string // files; empty: no TLS
	}
	Proxy struct {
		Trusted  []string // networks
		Protocol bool
	}
	Admin struct {
		Listen string // HOST:PORT
	}
	NATS struct {
		URL           string // several with commas; empty: one runs inside
		Creds         string // a file; empty: none
		CA, Cert, Key string // files; empty: none
	}
	Data struct {
		Dir string // empty: to be found
	}
	Checkpoint struct {
		Every time.Duration // 0: none are kept
	}
	Sim struct {
		Mode              string // on, off or auto
		Instruments, Rate int
		Seed              uint64
	}
	Lists string // a file; empty: none
	Log   struct {
		Level, Format string
	}

	settings []*Setting
}

// sections says what the parts of a file are about, in the order of the documentation. The first has no name: its
// keys stand at the top.
var sections = []struct{ name, title string }{
	{"", "Where clients connect"},
	{"tls", "TLS for clients"},
	{"proxy", "Load balancers in front"},
	{"admin", "Where operators look"},
	{"nats", "Where ticks come from"},
	{"data", "What outlives a restart"},
	{"checkpoint", "Checkpoints of the state"},
	{"sim", "The simulated market"},
	{"log", "The log"},
}

// define makes the table of settings and gives each its default.
func (c *Config) define() {
	add(c, &c.Listen, text.where(isHostPort), "listen", "127.0.0.1:8080",
		"`HOST:PORT` for the dashboard and WebSocket; port 0 takes a free one")
	add(c, &c.Lists, text, "lists", "",
		"`FILE` with named lists of instruments, which clients subscribe as @NAME; read again on SIGHUP")
	add(c, &c.Origins, words, "origins", nil,
		"`LIST` of the pages that may connect, such as https://app.example.com; * for any; empty for those of this host and of this machine")
	add(c, &c.Echo, boolean, "echo", false,
		"serve /v1/echo too, which sends WebSocket messages back for conformance suites; only on a loopback address, as it keeps to no limits")

	add(c, &c.TLS.Cert, text, "tls.cert", "",
		"`FILE` with the certificate, and what leads to its root, in PEM; with it the dashboard and WebSocket take TLS alone. Read again when it changes")
	add(c, &c.TLS.Key, text, "tls.key", "", "`FILE` with the certificate's key")
	add(c, &c.Proxy.Trusted, words, "proxy.trusted", nil,
		"`LIST` of the load balancers' networks, such as 10.0.0.0/8: what they say in X-Forwarded-For is believed").flag("trusted-proxies")
	add(c, &c.Proxy.Protocol, boolean, "proxy.protocol", false,
		"the trusted load balancers send a PROXY header, version 1 or 2, with each connection")

	add(c, &c.Admin.Listen, text.where(isHostPort), "admin.listen", "127.0.0.1:8081",
		"`HOST:PORT` for health, metrics and profiles; keep it private")

	add(c, &c.NATS.URL, text.where(isNATS), "nats.url", "",
		"`URL` of the NATS to take ticks from, or several with commas between them; empty runs one inside")
	add(c, &c.NATS.Creds, text.where(isReadable), "nats.creds", "", "`FILE` with the credentials (JWT and seed) of a NATS account").noFlag()
	add(c, &c.NATS.CA, text.where(isReadable), "nats.ca", "", "`FILE` with the certificates (PEM) that NATS servers must be signed by; empty takes the system's").noFlag()
	add(c, &c.NATS.Cert, text.where(isReadable), "nats.cert", "", "`FILE` with the certificate (PEM) to show to NATS servers").noFlag()
	add(c, &c.NATS.Key, text.where(isReadable), "nats.key", "", "`FILE` with the key (PEM) of nats.cert").noFlag()

	add(c, &c.Data.Dir, text, "data.dir", "",
		"`DIRECTORY` of checkpoints and of the NATS inside; empty means $XDG_STATE_HOME/feedd or ~/.local/state/feedd")
	add(c, &c.Checkpoint.Every, duration.within(0, time.Hour), "checkpoint.every", 5*time.Second,
		"`DURATION` from one checkpoint of the state to the next, at least, up to 1h; 0 keeps none, and starts from none")

	add(c, &c.Sim.Mode, oneOf("on", "off", "auto"), "sim.mode", "auto",
		"simulated market: on, off, or auto for on when NATS is inside").flag("sim")
	add(c, &c.Sim.Instruments, integer.from(1), "sim.instruments", 40, "how many `instruments` the simulated market has")
	add(c, &c.Sim.Rate, integer.from(1), "sim.rate", 2000, "how many `ticks` a second it makes, over all instruments")
	add(c, &c.Sim.Seed, unsigned, "sim.seed", 1, "`number` that decides what the simulated market does").flag("seed")

	add(c, &c.Log.Level, oneOf("debug", "info", "warn", "error"), "log.level", "info",
		"least important log lines to write: debug, info, warn or error")
	add(c, &c.Log.Format, oneOf("text", "json"), "log.format", "text", "form of log lines: text or json")
}

// validate returns what is wrong between settings that are right by themselves.
func (c *Config) validate() (problems []error) {
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		problems = append(problems, c.problemf("tls.cert", "a certificate and its key go together: set both tls.cert and tls.key, or neither"))
	}
	if c.Echo && !isLoopback(c.Listen) {
		problems = append(problems, c.problemf("echo", "echoes keep to no limits, so they are for a loopback address alone: set listen to one, such as 127.0.0.1:8080"))
	}
	if c.Proxy.Protocol && len(c.Proxy.Trusted) == 0 {
		problems = append(problems, c.problemf("proxy.protocol", "name the networks of the load balancers with proxy.trusted, such as 10.0.0.0/8"))
	}
	if (c.NATS.Cert == "") != (c.NATS.Key == "") {
		problems = append(problems, c.problemf("nats.cert", "a certificate and its key go together: set both nats.cert and nats.key, or neither"))
	}
	return problems
}
