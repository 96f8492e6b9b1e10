package main

import (
	"crypto/tls"
	"flag"
	"log/slog"
	"strings"

	"github.com/feedd/feedd/internal/certificate"
	"github.com/feedd/feedd/transport/listen"
)

// edgeOptions is how clients reach the public listener.
type edgeOptions struct {
	certFile, keyFile string
	originList        string
	trustedList       string
	proxy             bool

	// Made by open.
	certificate *certificate.Files // nil: no TLS
	origins     []string
	trusted     listen.Networks
}

func (o *edgeOptions) define(fs *flag.FlagSet) {
	fs.StringVar(&o.certFile, "tls-cert", "", "`FILE` with the certificate, and what leads to its root, in PEM; with it the dashboard and WebSocket take TLS alone. Read again when it changes")
	fs.StringVar(&o.keyFile, "tls-key", "", "`FILE` with the certificate's key")
	fs.StringVar(&o.originList, "origins", "", "`LIST` of the pages that may connect, such as https://app.example.com, separated by commas; * for any; empty for those of this host and of this machine")
	fs.StringVar(&o.trustedList, "trusted-proxies", "", "`LIST` of the load balancers' networks, such as 10.0.0.0/8, separated by commas: what they say in X-Forwarded-For is believed")
	fs.BoolVar(&o.proxy, "proxy-protocol", false, "the trusted load balancers send a PROXY header, version 1 or 2, with each connection")
}

// open checks the flags and reads what they name.
func (o *edgeOptions) open(log *slog.Logger) (err error) {
	if (o.certFile == "") != (o.keyFile == "") {
		return usagef("--tls-cert and --tls-key belong together: give both, or none")
	}
	for origin := range strings.SplitSeq(o.originList, ",") {
		if origin = strings.TrimSpace(origin); origin != "" {
			o.origins = append(o.origins, origin)
		}
	}
	if o.trusted, err = listen.ParseNetworks(o.trustedList); err != nil {
		return usagef("bad value for --trusted-proxies: %w", err)
	}
	if o.proxy && len(o.trusted) == 0 {
		return usagef("--proxy-protocol needs --trusted-proxies: name the networks of the load balancers, such as 10.0.0.0/8")
	}
	if o.certFile == "" {
		return nil
	}
	if o.certificate, err = certificate.Open(o.certFile, o.keyFile, log); err != nil {
		return usagef("cannot use --tls-cert and --tls-key: %w", err)
	}
	return nil
}

// listener returns what lies on the public listener.
func (o *edgeOptions) listener() listen.Options {
	var secure *tls.Config
	if o.certificate != nil {
		secure = o.certificate.Config()
	}
	return listen.Options{TLS: secure, Proxy: o.proxy, Trusted: o.trusted}
}
