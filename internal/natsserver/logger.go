package natsserver

import (
	"errors"
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

func (l *logger) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.log.Error("nats-server: " + text)
	select {
	case l.fatal <- errors.New(text):
	default: // the first one says why
	}
}
