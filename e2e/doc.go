// Package e2e tests feedd as its users meet it: the built binary, a real nats-server, publishers over NATS and
// clients over WebSocket. It holds tests only.
package e2e
