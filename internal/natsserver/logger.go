package natsserver

import (
	"fmt"
	"log/slog"
)

// logger passes nats-server's words on to slog. Its notices are details here, since feedd says itself what it
// started. A fatal error is kept for Start to return: the server calls Fatalf and expects not to return,
// but a library must not end the process.
type logger struct {
	log   *slog.Logger
	fatal chan error
}

func (l *logger) Noticef(format string, v ...any) {
	l.log.Debug("nats-server: " + fmt.Sprintf(format, v...))
}
func (l *logger) Warnf(format string, v ...any) {
	l.log.Warn("nats-server: " + fmt.Sprintf(format, v...))
}
func (l *logger) Errorf(format string, v ...any) {
	l.log.Error("nats-server: " + fmt.Sprintf(format, v...))
}
func (l *logger) Debugf(string, ...any) {}
func (l *logger) Tracef(string, ...any) {}

// Fatalf keeps the error among v, if there is one, so that Start can tell what went wrong. Start says it, or mends it.
func (l *logger) Fatalf(format string, v ...any) {
	err := fatalError{text: fmt.Sprintf(format, v...)}
	for _, arg := range v {
		if cause, ok := arg.(error); ok {
			err.cause = cause
		}
	}
	select {
	case l.fatal <- err:
		l.log.Debug("nats-server: " + err.text)
	default: // the first one says why
		l.log.Error("nats-server: " + err.text)
	}
}

// fatalError is what nats-server says before it would end the process, and why.
type fatalError struct {
	text  string
	cause error // may be nil
}

func (e fatalError) Error() string { return e.text }
func (e fatalError) Unwrap() error { return e.cause }
