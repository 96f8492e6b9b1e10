package client

import (
	"context"
	"crypto/tls"
	"net"
)

func dialTLS(ctx context.Context, dialer *net.Dialer, address, host string) (net.Conn, error) {
	t := tls.Dialer{NetDialer: dialer, Config: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}}
	return t.DialContext(ctx, "tcp", address)
}
