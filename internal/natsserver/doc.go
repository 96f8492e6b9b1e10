// Package natsserver runs nats-server with JetStream inside the process, so that a newcomer needs
// nothing else to see ticks move. It listens on the loopback interface only: a NATS that others may reach is
// a service of its own, with accounts and certificates, and feedd is pointed at it instead.
package natsserver
