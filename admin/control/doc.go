// Package control is the admin API: it shows what a node does and lets operators change it, as docs/admin-api.md has it.
//
// It knows the form of policies, and nothing of sessions, frames or NATS: a node is passed in as two interfaces, and what they
// return is plain values that become JSON as they are. Who may do what is decided ahead of everything else (access.go), and every
// write goes into the audit, refused ones too.
package control
