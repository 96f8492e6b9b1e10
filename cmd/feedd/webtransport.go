package main

import (
	"context"
	"errors"
	"net"
	"syscall"

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
	return nil
}

// startWebTransport lets clients connect over it, if that is wanted.
func (s *server) startWebTransport() {
	if s.datagrams == nil {
		return
	}
	wt := webtransport.New(webtransport.Options{
		TLS: s.options.edge.certificate.Config(), Gate: s.gate, Streams: s.streams, Log: s.options.log,
	})
	s.run("webtransport", func(ctx context.Context) error { return wt.Serve(ctx, s.datagrams) })
}
