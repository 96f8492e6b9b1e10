package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// handshakes is how many are averaged over.
const handshakes = 1000

// wire measures what sizing has to know of both ends of a node: bytes of a tick on NATS, for the simulated market and for recordings, and
// the processor time of a TLS 1.3 handshake for whoever ends TLS.
func wire(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	var err error
	if r.dir, err = os.MkdirTemp("", "feedd-bench-"); err != nil {
		return nil, err
	}
	result := r.result(started)
	w := &report.Wire{}
	result.Wire = w
	if _, err := r.certify(); err != nil {
		return nil, err
	}
	for _, h := range []struct {
		resumed bool
		cost    *float64
	}{{false, &w.Handshake}, {true, &w.Resumed}} {
		took, err := r.shakeHands(ctx, h.resumed)
		if err != nil {
			return nil, err
		}
		*h.cost = float64(took.Nanoseconds()) / 1000 / handshakes
	}
	r.progress("a handshake takes %.0f µs, a resumed one %.0f µs", w.Handshake, w.Resumed)
	if err := r.build(ctx); err != nil {
		return nil, err
	}
	if w.Simulated, err = r.ticksOf(ctx, "sim", "--instruments", "2000", "--rate", "50000"); err != nil {
		return nil, err
	}
	if r.ticks != "" {
		files, err := filepath.Glob(filepath.Join(r.ticks, "*.gz"))
		if err != nil || len(files) == 0 {
			return nil, errors.Join(err, fmt.Errorf("no recordings in %s", r.ticks))
		}
		if w.Recorded, err = r.ticksOf(ctx, "replay", append([]string{"--loop"}, files...)...); err != nil {
			return nil, err
		}
	}
	result.Judge()
	return result, nil
}

// shakeHands returns the processor time that the server's side of so many handshakes takes.
func (r *run) shakeHands(ctx context.Context, resumed bool) (time.Duration, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(r.dir, "cert.pem"), filepath.Join(r.dir, "key.pem"))
	if err != nil {
		return 0, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(r.trust)) {
		return 0, errors.New("the certificate cannot be read again")
	}
	client := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13}
	if resumed {
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	var listening net.ListenConfig
	l, err := listening.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	failed := make(chan error, 1)
	go func() { failed <- callAgain(ctx, l.Addr().String(), client, resumed) }()
	took, err := answerHandshakes(ctx, l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13})
	if called := <-failed; err == nil {
		err = called
	}
	return took, err
}

// answerHandshakes is the server's side, on a thread of its own, whose clock it reads. The first one, which makes a ticket, does not count.
func answerHandshakes(ctx context.Context, l net.Listener, cfg *tls.Config) (took time.Duration, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for n := range handshakes + 1 {
		raw, err := l.Accept()
		if err != nil {
			return 0, err
		}
		conn := tls.Server(raw, cfg)
		before, err := threadClock()
		if err != nil {
			return 0, errors.Join(err, conn.Close())
		}
		if err := conn.HandshakeContext(ctx); err != nil {
			return 0, errors.Join(err, conn.Close())
		}
		after, err := threadClock()
		if err != nil {
			return 0, errors.Join(err, conn.Close())
		}
		if n > 0 {
			took += after - before
		}
		// A byte brings the client the ticket as well.
		if _, err := conn.Write([]byte{1}); err != nil {
			return 0, errors.Join(err, conn.Close())
		}
		_ = conn.Close() // the client may have gone first
	}
	return took, nil
}

func threadClock() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano()), err
}

func callAgain(ctx context.Context, address string, cfg *tls.Config, resumed bool) error {
	d := tls.Dialer{Config: cfg}
	for n := range handshakes + 1 {
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return errors.Join(err, conn.Close())
		}
		if did := conn.(*tls.Conn).ConnectionState().DidResume; did != (resumed && n > 0) {
			return errors.Join(fmt.Errorf("handshake %d: resumed %v", n, did), conn.Close())
		}
		if err := conn.Close(); err != nil {
			return err
		}
	}
	return nil
}

// ticksOf has a command of feedd publish for a window, and counts what NATS sends a subscriber.
func (r *run) ticksOf(ctx context.Context, command string, flags ...string) (*report.Ticks, error) {
	server, err := r.role("nats", nil)
	if err != nil {
		return nil, err
	}
	defer r.end(server)
	if err := server.Ask(ctx, feed.Begin, feed.ServerConfig{}, &r.where); err != nil {
		return nil, err
	}
	nc, err := nats.Connect(r.where.NATS)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	messages := make(chan *nats.Msg, 1<<16)
	sub, err := nc.ChanSubscribe("md.*.*.*", messages)
	if err != nil {
		return nil, err
	}
	publisher, err := proc.Start(command, nil, r.stderr, r.binary, append([]string{command, "--nats-url", r.where.NATS}, flags...)...)
	if err != nil {
		return nil, err
	}
	r.children = append(r.children, publisher)
	publisher.Discard()
	defer r.end(publisher)
	var t report.Ticks
	for over := time.After(r.Window); ; {
		select {
		case m := <-messages:
			if err := count(&t, m); err != nil {
				return nil, err
			}
		case <-publisher.Ended():
			return nil, fmt.Errorf("%s ended in the middle", command)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-over:
			if lost, err := sub.Dropped(); err != nil || lost > 0 {
				return nil, errors.Join(err, fmt.Errorf("%d messages were lost here", lost))
			}
			if t.Ticks == 0 {
				return nil, fmt.Errorf("%s published nothing", command)
			}
			t.PerMessage, t.PerTick = float64(t.Ticks)/float64(t.Messages), float64(t.Bytes)/float64(t.Ticks)
			r.progress("%s: %.1f bytes a tick, %.1f ticks a message", command, t.PerTick, t.PerMessage)
			return &t, nil
		}
	}
}

// count takes in one message: "MSG subject id size", its payload, and the ends of both lines.
func count(t *report.Ticks, m *nats.Msg) error {
	var b marketdatav1.TickBatch
	if err := proto.Unmarshal(m.Data, &b); err != nil {
		return fmt.Errorf("%s: %w", m.Subject, err)
	}
	n := len(b.GetQuotes()) + len(b.GetTrades()) + len(b.GetBooks()) + len(b.GetStatistics()) + len(b.GetStatuses())
	if n == 0 {
		return nil // a definition
	}
	t.Ticks += int64(n)
	t.Messages++
	t.Bytes += int64(len("MSG  1 \r\n\r\n") + len(m.Subject) + len(strconv.Itoa(len(m.Data))) + len(m.Data))
	return nil
}
