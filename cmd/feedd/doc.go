// Command feedd takes exchange ticks from NATS and pushes them to trading dashboards over WebSocket.
//
// The files of this package parse flags, wire packages together, run them and stop them in order. What
// is worth a test of its own lives in packages. "feedd help" lists the commands.
package main
