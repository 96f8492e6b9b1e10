// Package config holds what a node can be told at its start: one struct, filled from defaults, a YAML file, the
// environment and flags, where later ones win.
//
// settings.go defines each setting once: its key, its default, what values it takes and what it is for. Help, the
// file's strict reading, "feedd config print" and docs/configuration.md all follow from that table.
//
//	listen: 0.0.0.0:8080                                           # also --listen and FEEDD_LISTEN
//	nats:
//	  url: nats://feedd:${file:/run/secrets/nats}@10.0.0.5:4222    # also --nats-url and FEEDD_NATS_URL
//
// A value may refer to a file or a variable, so that secrets stand in neither. Print shows the reference, never what
// it led to. Everything that is wrong is told at once, each with its place and what would be right.
//
// What operators change while the market runs is no setting but the throttle's policy.
package config
