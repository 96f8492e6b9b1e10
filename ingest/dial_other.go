//go:build !linux

package ingest

import "github.com/nats-io/nats.go"

// dialled is how connections to NATS are made here: as the library does.
func dialled() nats.Option { return func(*nats.Options) error { return nil } }

// handedOn is of connections that are read here.
func handedOn(*nats.Conn, func()) (end func(), ok bool) { return nil, false }
