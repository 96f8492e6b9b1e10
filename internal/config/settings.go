package config

import "time"

// Config is what a node is told at its start. New makes one; it is not changed once it has been read.
type Config struct {
	Listen    string   // HOST:PORT
	Origins   []string // empty: this host and this machine
	Echo      bool
	Deflate   string // off, auto or always
	PublicURL string // where clients reach this node alone; empty: nowhere
	TLS       struct {
		Cert, Key string // files; empty: no TLS
		HTTP2     bool
	}
	WebTransport struct {
		Listen         string // HOST:PORT of UDP; empty: none
		PublicURL      string // what clients are told; empty: the port
		OwnCertificate bool
	}
	Proxy struct {
		Trusted  []string // networks
		Protocol bool
	}
	Auth struct {
		Issuer, JWKS string // both or none; JWKS is a URL or a file
		Audience     string
		Leeway       time.Duration
		DevKey       string // a file; empty: none
		Anonymous    bool
		AnonymousMay Rules // what those may have who bring no token
	}
	Admin struct {
		Listen string // HOST:PORT
		Tokens string // a file; empty: whoever is on this machine
		Node   string // empty: to be found
	}
	Policy struct {
		File   string // empty: the bucket
		Bucket string
	}
	NATS struct {
		URL           string // several with commas; empty: one runs inside
		Creds         string // a file; empty: none
		CA, Cert, Key string // files; empty: none
	}
	Interest struct {
		Mode   string        // all or demand
		Linger time.Duration // after the last client has let go of an instrument
	}
	Delays []time.Duration // of delayed feeds, from the shortest
	Data   struct {
		Dir string // empty: to be found
	}
	Checkpoint struct {
		Every time.Duration // 0: none are kept
	}
	Admission struct {
		Rate                 int // a second; 0: no bound
		Address, AddressRate int // of one address: connections, and how many a second; 0: no bound
	}
	Overload struct {
		Heap, CPU Steps
		SlowTo    time.Duration // a rung of the ladder
		Shed      time.Duration // the most that who is sent away is asked to wait
	}
	Trace struct {
		Endpoint string  // URL; empty: nothing is traced
		Share    float64 // of connections and requests
	}
	Flight struct {
		Late time.Duration // 0: nothing is recorded
		Keep int           // files
	}
	Drain struct {
		Within time.Duration
		Peers  int
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
	{"webtransport", "WebTransport, over HTTP/3"},
	{"proxy", "Load balancers in front"},
	{"auth", "Who may connect, and have what"},
	{"admin", "Where operators look"},
	{"policy", "The throttle policy"},
	{"nats", "Where ticks come from"},
	{"interest", "What of it to carry"},
	{"data", "What outlives a restart"},
	{"checkpoint", "Checkpoints of the state"},
	{"admission", "Who may come in"},
	{"overload", "When there is more to carry than the node can"},
	{"drain", "The end"},
	{"sim", "The simulated market"},
	{"log", "The log"},
	{"trace", "Traces of the control plane"},
	{"flight", "The moments before a late cut"},
}

// define makes the table of settings and gives each its default.
func (c *Config) define() {
	add(c, &c.Listen, text.where(isHostPort), "listen", "127.0.0.1:8080",
		"`HOST:PORT` for the dashboard and WebSocket; port 0 takes a free one")
	add(c, &c.PublicURL, text.where(isWebSocket), "public_url", "",
		"`URL` at which clients reach this very node, such as wss://node1.example.com/v1/ws: others send theirs there when they stop; empty sends none")
	add(c, &c.Lists, text, "lists", "",
		"`FILE` with named lists of instruments, which clients subscribe as @NAME; read again on SIGHUP")
	add(c, &c.Origins, words, "origins", nil,
		"`LIST` of the pages that may connect, such as https://app.example.com; * for any; empty for those of this host and of this machine")
	add(c, &c.Echo, boolean, "echo", false,
		"serve /v1/echo too, which sends WebSocket messages back for conformance suites; only on a loopback address, as it keeps to no limits")

	add(c, &c.Deflate, oneOf("off", "auto", "always"), "deflate", "auto",
		"what to compress for clients that offer permessage-deflate: `off`, auto for the frames for which that pays, with at most a fifth of the processor, or always for all that become smaller")

	add(c, &c.Delays, durations(time.Second, 24*time.Hour, 3), "delays", nil,
		"`LIST` of delays, such as 15m: for each the market is kept a second time as it was so long ago, for those who may have it delayed. The stream must keep ticks for longer")

	add(c, &c.TLS.Cert, text, "tls.cert", "",
		"`FILE` with the certificate, and what leads to its root, in PEM; with it the dashboard and WebSocket take TLS alone. Read again when it changes")
	add(c, &c.TLS.Key, text, "tls.key", "", "`FILE` with the certificate's key")
	add(c, &c.TLS.HTTP2, boolean, "tls.http2", false,
		"offer HTTP/2 too: one connection then carries all that a page asks for, its WebSockets included (RFC 8441), each of them at a higher cost").flag("http2")
	add(c, &c.WebTransport.Listen, text.where(isHostPortOrNone), "webtransport.listen", "",
		"`HOST:PORT` of UDP for clients that connect over WebTransport; port 0 takes a free one; empty serves none. A session takes some 140 KB, seven times what a WebSocket does")
	add(c, &c.WebTransport.PublicURL, text.where(isWebTransport), "webtransport.public_url", "",
		"`URL` at which clients reach it, such as https://feed.example.com/v1/webtransport: the welcome tells it; empty tells the port, at the host that a client has come to")
	add(c, &c.WebTransport.OwnCertificate, boolean, "webtransport.own_certificate", false,
		"take a certificate that feedd makes for itself every six days, and tells clients the hash of, rather than that of tls.cert; so it is without tls.cert anyway. Browsers take the certificates of a company's own authority over WebTransport by hash alone")
	add(c, &c.Proxy.Trusted, words, "proxy.trusted", nil,
		"`LIST` of the load balancers' networks, such as 10.0.0.0/8: what they say in X-Forwarded-For is believed").flag("trusted-proxies")
	add(c, &c.Proxy.Protocol, boolean, "proxy.protocol", false,
		"the trusted load balancers send a PROXY header, version 1 or 2, with each connection")

	add(c, &c.Auth.Issuer, text, "auth.issuer", "", "who makes the tokens that are good here: the `ISSUER` that they name (iss)")
	add(c, &c.Auth.JWKS, text, "auth.jwks", "",
		"`URL` (https) or file of the issuer's public keys, a JSON Web Key Set; fetched again when a token names a key that is not among them")
	add(c, &c.Auth.Audience, text, "auth.audience", "feedd", "the `AUDIENCE` that tokens must name (aud)").noFlag()
	add(c, &c.Auth.Leeway, duration.within(0, time.Minute), "auth.leeway", 10*time.Second, "`DURATION` by which clocks may differ, up to 1m").noFlag()
	add(c, &c.Auth.DevKey, text, "auth.dev_key", "",
		"`FILE` of a development key, made where there is none: tokens that \"feedd token\" makes of it are good here")
	add(c, &c.Auth.Anonymous, boolean, "auth.anonymous", false,
		"let clients in that bring no token, also beyond this machine; needed there where no tokens are taken").flag("anonymous")
	add(c, &c.Auth.AnonymousMay, rules, "auth.anonymous_may", Rules{"*"},
		"`RULES` of what they may have, such as \"* quote,trade delayed\", with ; between them").noFlag()

	add(c, &c.Admin.Listen, text.where(isHostPort), "admin.listen", "127.0.0.1:8081",
		"`HOST:PORT` for health, metrics, profiles and the admin API; keep it private")
	add(c, &c.Admin.Tokens, text.where(isReadable), "admin.tokens", "",
		"`FILE` with a line NAME ROLE TOKEN for each operator; without it the admin API is for callers on this machine. Read again when it changes")
	add(c, &c.Admin.Node, text, "admin.node", "", "`NAME` of this node among others; empty takes the machine's and the port").flag("node")

	add(c, &c.Policy.File, text.where(isReadable), "policy.file", "",
		"`FILE` with the throttle policy, read again when it changes and on SIGHUP; empty takes that of the bucket").flag("policy")
	add(c, &c.Policy.Bucket, text.where(isBucket), "policy.bucket", "feedd_policy",
		"`NAME` of the NATS key-value bucket with the throttle policy, which all nodes watch").noFlag()

	add(c, &c.NATS.URL, text.where(isNATS), "nats.url", "",
		"`URL` of the NATS to take ticks from, or several with commas between them; empty runs one inside")
	add(c, &c.NATS.Creds, text.where(isReadable), "nats.creds", "", "`FILE` with the credentials (JWT and seed) of a NATS account").noFlag()
	add(c, &c.NATS.CA, text.where(isReadable), "nats.ca", "", "`FILE` with the certificates (PEM) that NATS servers must be signed by; empty takes the system's").noFlag()
	add(c, &c.NATS.Cert, text.where(isReadable), "nats.cert", "", "`FILE` with the certificate (PEM) to show to NATS servers").noFlag()
	add(c, &c.NATS.Key, text.where(isReadable), "nats.key", "", "`FILE` with the key (PEM) of nats.cert").noFlag()

	add(c, &c.Interest.Mode, oneOf("all", "demand"), "interest.mode", "all",
		"what the node carries: `all` instruments, or on demand those that its clients hold, so that several nodes carry a market larger than one can. "+
			"On demand it keeps no checkpoints, and delayed data is whole all the same").flag("interest")
	add(c, &c.Interest.Linger, duration.within(0, time.Hour), "interest.linger", 30*time.Second,
		"`DURATION` for which an instrument is carried on when the last client has let go of it, up to 1h")

	add(c, &c.Data.Dir, text, "data.dir", "",
		"`DIRECTORY` of checkpoints and of the NATS inside; empty means $XDG_STATE_HOME/feedd or ~/.local/state/feedd")
	add(c, &c.Checkpoint.Every, duration.within(0, time.Hour), "checkpoint.every", 5*time.Second,
		"`DURATION` from one checkpoint of the state to the next, at least, up to 1h; 0 keeps none, and starts from none")

	add(c, &c.Admission.Rate, integer.from(0), "admission.rate", 0,
		"`number` of connections that may begin a second, from all addresses together; those beyond are told when to come again; 0 for any number").noFlag()
	add(c, &c.Admission.Address, integer.from(0), "admission.per_address", 0,
		"`number` of connections that one address may have, where all of an IPv6 /64 is one; 0 for any number").noFlag()
	add(c, &c.Admission.AddressRate, integer.from(0), "admission.per_address_rate", 0,
		"`number` of connections that one address may begin a second; those beyond are told when to come again; 0 for any number").noFlag()
	add(c, &c.Overload.Heap, steps, "overload.heap", Steps{0.70, 0.80, 0.90},
		"`SHARES` of the memory limit (GOMEMLIMIT, or 85 % of the container's) from which new connections are refused, rows come less often, and sessions of the tiers of lowest priority are ended; each measure ends by itself").noFlag()
	add(c, &c.Overload.CPU, steps, "overload.cpu", Steps{0.85, 0.90, 0.95},
		"`SHARES` of the processors for the same, after 5 s and only while cuts come more than 100 ms late").noFlag()
	add(c, &c.Overload.SlowTo, duration.within(0, 5*time.Second), "overload.slow_to", 500*time.Millisecond,
		"`DURATION` between rows, at least, while they come less often").noFlag()
	add(c, &c.Overload.Shed, duration.within(time.Second, time.Hour), "overload.wait", 30*time.Second,
		"`DURATION` that clients whose session is ended for overload are asked to wait at most").noFlag()
	add(c, &c.Drain.Within, duration.within(0, time.Hour), "drain.within", 5*time.Second,
		"`DURATION` in which all clients are seen off at the end, a few at a time")
	add(c, &c.Drain.Peers, integer.from(1), "drain.peers", 1,
		"`number` of other nodes that clients go to then, where this one hears of none: when clients are asked to come back follows from it")

	add(c, &c.Sim.Mode, oneOf("on", "off", "auto"), "sim.mode", "auto",
		"simulated market: on, off, or auto for on when NATS is inside").flag("sim")
	add(c, &c.Sim.Instruments, integer.from(1), "sim.instruments", 40, "how many `instruments` the simulated market has")
	add(c, &c.Sim.Rate, integer.from(1), "sim.rate", 2000, "how many `ticks` a second it makes, over all instruments")
	add(c, &c.Sim.Seed, unsigned, "sim.seed", 1, "`number` that decides what the simulated market does").flag("seed")

	add(c, &c.Log.Level, oneOf("debug", "info", "warn", "error"), "log.level", "info",
		"least important log lines to write: debug, info, warn or error")
	add(c, &c.Log.Format, oneOf("text", "json"), "log.format", "text", "form of log lines: text or json")

	add(c, &c.Trace.Endpoint, text.where(isHTTP), "trace.endpoint", "",
		"`URL` of a collector that takes OTLP over HTTP, such as http://localhost:4318: it is told of operators' writes, of policies that are applied, and of some connections and requests; empty traces nothing").noFlag()
	add(c, &c.Trace.Share, share.within(0, 1), "trace.share", 0.01, "`SHARE` of the connections and requests of clients that is traced, from 0 to 1").noFlag()
	add(c, &c.Flight.Late, duration.within(0, time.Minute), "flight.late", 0,
		"`DURATION` by which a cut must come late for the moments before to be written to flight in the data directory, for \"go tool trace\"; 0 records nothing, and saves what recording costs").noFlag()
	add(c, &c.Flight.Keep, integer.within(1, 100), "flight.keep", 5, "`number` of such files that are kept, of up to 16 MB each").noFlag()
}

// validate returns what is wrong between settings that are right by themselves.
func (c *Config) validate() (problems []error) {
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		problems = append(problems, c.problem("tls.cert", "a certificate and its key go together: set both tls.cert and tls.key, or neither"))
	}
	if c.TLS.HTTP2 && c.TLS.Cert == "" {
		problems = append(problems, c.problem("tls.http2", "browsers speak HTTP/2 over TLS alone: set tls.cert and tls.key too; a load balancer in front that speaks it needs HTTP/1.1 here"))
	}
	if c.Echo && !isLoopback(c.Listen) {
		problems = append(problems, c.problem("echo", "echoes keep to no limits, so they are for a loopback address alone: set listen to one, such as 127.0.0.1:8080"))
	}
	if (c.Auth.Issuer == "") != (c.Auth.JWKS == "") {
		problems = append(problems, c.problem("auth.issuer", "an issuer and its keys go together: set both auth.issuer and auth.jwks, or neither"))
	}
	strangers := "" // the setting with which they could come from other machines
	switch {
	case !isLoopback(c.Listen):
		strangers = "listen"
	case c.WebTransport.Listen != "" && !isLoopback(c.WebTransport.Listen):
		strangers = "webtransport.listen"
	}
	if strangers != "" && c.Auth.JWKS == "" && c.Auth.DevKey == "" && !c.Auth.Anonymous {
		problems = append(problems, c.problem(strangers, "this can be reached from other machines, and nobody there would have to say who they are: "+
			"set auth.issuer and auth.jwks to take tokens, or --anonymous to let everybody in"))
	}
	if c.Proxy.Protocol && len(c.Proxy.Trusted) == 0 {
		problems = append(problems, c.problem("proxy.protocol", "name the networks of the load balancers with proxy.trusted, such as 10.0.0.0/8"))
	}
	if (c.NATS.Cert == "") != (c.NATS.Key == "") {
		problems = append(problems, c.problem("nats.cert", "a certificate and its key go together: set both nats.cert and nats.key, or neither"))
	}
	return problems
}
