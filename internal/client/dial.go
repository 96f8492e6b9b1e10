package client

import (
	"context"
	"crypto/tls"
	"net"
)

func dialTLS(ctx context.Context, dialer *net.Dialer, address, host string, config *tls.Config) (net.Conn, error) {
	if config == nil {
		config = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	t := tls.Dialer{NetDialer: dialer, Config: config}
	return t.DialContext(ctx, "tcp", address)
}
