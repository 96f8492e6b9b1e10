package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// The first interrupt or SIGTERM asks feedd to drain and stop; the second ends it at once.
func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(exitInterrupted)
	}()
	os.Exit(Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
