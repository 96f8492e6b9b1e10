package main

import (
	"crypto/tls"
	"strings"

	"github.com/feedd/feedd/internal/certificate"
	"github.com/feedd/feedd/transport/listen"
)

// edge is how clients reach the public listener.
type edge struct {
	certificate *certificate.Files // nil: no TLS
	trusted     listen.Networks
	proxy       bool
	http2       bool
}

// openEdge reads what the settings of the public listener name.
func (o *serveOptions) openEdge() (err error) {
	o.edge.proxy, o.edge.http2 = o.Proxy.Protocol, o.TLS.HTTP2
	if o.edge.trusted, err = listen.ParseNetworks(strings.Join(o.Proxy.Trusted, ",")); err != nil {
		return usagef("%w", o.Setting("proxy.trusted").Wrap(err))
	}
	if o.TLS.Cert == "" {
		return nil
	}
	if o.edge.certificate, err = certificate.Open(o.TLS.Cert, o.TLS.Key, o.log); err != nil {
		return usagef("cannot use --tls-cert and --tls-key: %w", err)
	}
	return nil
}

// listener returns what lies on the public listener.
func (o *edge) listener() listen.Options {
	var secure *tls.Config
	if o.certificate != nil {
		secure = o.certificate.Config()
		if o.http2 {
			secure.NextProtos = append([]string{"h2"}, secure.NextProtos...)
		}
	}
	return listen.Options{TLS: secure, Proxy: o.proxy, Trusted: o.trusted}
}
