package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/feedd/feedd/internal/certificate"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/transport/webtransport"
)

// listenWebTransport takes the port, if one is wanted.
func (s *server) listenWebTransport() (err error) {
	address := s.options.WebTransport.Listen
	if address == "" {
		return nil
	}
	s.datagrams, err = new(net.ListenConfig).ListenPacket(context.Background(), "udp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return usagef("cannot listen on %s (UDP): the port is in use by another process; choose another with --webtransport-listen, or port 0 for a free one", address)
	case err != nil:
		return usagef("cannot listen on %s (UDP): %w; choose another with --webtransport-listen", address, err)
	}
	s.started(func() error { return s.datagrams.Close() })
	return s.certifyWebTransport()
}

// certifyWebTransport chooses the certificate, and has clients told of it and of the port.
func (s *server) certifyWebTransport() error {
	offer := &feedv1.WebTransport{Url: s.options.WebTransport.PublicURL, Port: uint32(s.datagrams.LocalAddr().(*net.UDPAddr).Port)}
	s.offered = func() *feedv1.WebTransport { return offer }
	if files := s.options.edge.certificate; files != nil && !s.options.WebTransport.OwnCertificate {
		s.shown = files.Config()
		return nil
	}
	own, err := certificate.NewOwn(time.Now)
	if err != nil {
		return fmt.Errorf("making a certificate for WebTransport: %w", err)
	}
	s.shown = own.Config()
	s.offered = func() *feedv1.WebTransport {
		return &feedv1.WebTransport{Url: offer.Url, Port: offer.Port, CertificateSha256: [][]byte{own.SHA256()}}
	}
	return nil
}

// startWebTransport lets clients connect over it, if that is wanted.
func (s *server) startWebTransport() {
	if s.datagrams == nil {
		return
	}
	wt := webtransport.New(webtransport.Options{
		TLS: s.shown, Gate: s.gate, Streams: s.streams, Log: s.options.log,
	})
	s.run("webtransport", func(ctx context.Context) error { return wt.Serve(ctx, s.datagrams) })
}
