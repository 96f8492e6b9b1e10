package webtransport

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/stream"
	"github.com/feedd/feedd/transport/ws"
)

const (
	// closeWithin is what it gets to end the connection once its session has ended.
	closeWithin = time.Second
	// idle ends connections from which nothing comes any more. Whatever we send is acknowledged, and an idle session is sent
	// a heartbeat every 5 s.
	idle = 20 * time.Second
	// window is what a client may send before it is read, in bytes.
	window = 64 << 10
	// maxConns bounds the connections, those that have no session included, whom the gate does not know yet.
	maxConns = 20_000
)

// closeSession is the type of the capsule that a session ends with: WT_CLOSE_SESSION of draft-ietf-webtrans-http3, a code of 32 bits and
// a reason.
const closeSession http3.CapsuleType = 0x2843

// Path is where clients connect to.
const Path = "/v1/webtransport"

// Options of a Server. All but the last must be set.
type Options struct {
	TLS     *tls.Config // with a certificate, or a way to get one
	Gate    *gate.Gate
	Streams *stream.Server
	Log     *slog.Logger
	// OpenWithin is what a client gets to ask for a session, and then to open its stream. 0 means 10 s.
	OpenWithin time.Duration
}

// Server lets clients in over WebTransport, on behalf of a stream.Server. Its methods may be called from any goroutine.
type Server struct {
	opt  Options
	tls  *tls.Config
	wt   webtransport.Server
	quic *quic.Config

	conns chan struct{} // holds one for each connection

	mu       sync.Mutex
	stopped  bool           // no session begins any more
	sessions sync.WaitGroup // grows under mu while stopped is false
}

// New returns a Server that is ready to serve.
func New(opt Options) *Server {
	opt.OpenWithin = cmp.Or(opt.OpenWithin, 10*time.Second)
	s := &Server{opt: opt, tls: http3.ConfigureTLSConfig(opt.TLS), conns: make(chan struct{}, maxConns)}
	s.quic = &quic.Config{
		EnableDatagrams: true, EnableStreamResetPartialDelivery: true, // WebTransport wants both
		HandshakeIdleTimeout: 5 * time.Second, MaxIdleTimeout: idle, KeepAlivePeriod: idle / 2,
		InitialStreamReceiveWindow: window, MaxStreamReceiveWindow: window,
		InitialConnectionReceiveWindow: 2 * window, MaxConnectionReceiveWindow: 2 * window,
		MaxIncomingStreams: 4, MaxIncomingUniStreams: 8, // a request and our stream; those of HTTP/3 itself
	}
	mux := http.NewServeMux()
	mux.HandleFunc(Path, s.serve)
	s.wt = webtransport.Server{
		H3:                   &http3.Server{Handler: mux, MaxHeaderBytes: 16 << 10, Logger: opt.Log, ConnContext: s.hold},
		ApplicationProtocols: []string{ws.SubprotocolProto},
		CheckOrigin:          func(*http.Request) bool { return true }, // the gate did
	}
	return s
}

// conn is a connection, of which its requests know.
type conn struct {
	*quic.Conn
	unused *time.Timer // ends it when no session is asked for
}

type connKey struct{}

// hold is http3.Server.ConnContext.
func (s *Server) hold(ctx context.Context, qc *quic.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, &conn{qc, time.AfterFunc(s.opt.OpenWithin, func() {
		_ = qc.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "no session was asked for")
	})})
}

// Serve accepts connections until ctx ends, and returns when all have ended. Sessions end as the stream.Server ends its
// connections, which it must have done, or be about to do, when ctx ends. pc is not closed.
func (s *Server) Serve(ctx context.Context, pc net.PacketConn) error {
	l, err := quic.ListenEarly(pc, s.tls, s.quic)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	for {
		var qc *quic.Conn
		if qc, err = l.Accept(ctx); err != nil {
			break
		}
		select {
		case s.conns <- struct{}{}:
		default:
			_ = qc.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad), "the server is full")
			continue
		}
		running.Go(func() {
			defer func() { <-s.conns }()
			if err := s.wt.ServeQUICConn(qc); err != nil && !errors.Is(err, http.ErrServerClosed) {
				s.opt.Log.Debug("connection over QUIC failed", "remote", qc.RemoteAddr(), "error", err)
			}
		})
	}
	s.stop()
	_ = s.wt.Close() // and l.Close ends what is left; there is nobody to tell what goes wrong
	_ = l.Close()
	running.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// begin notes that a session begins; false: the server stops.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.sessions.Add(1)
	}
	return !s.stopped
}

// stop waits for the farewell of the sessions.
func (s *Server) stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.sessions.Wait()
}

// serve serves a request for a session, to the end of that.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer s.sessions.Done()
	entry, refused := s.enter(r)
	if refused != nil {
		refused.Write(w)
		return
	}
	c := r.Context().Value(connKey{}).(*conn) // as hold put it there
	c.unused.Stop()
	sess, err := s.wt.Upgrade(w, r)
	if err != nil {
		entry.Leave()
		s.opt.Gate.CountRefused(http.StatusBadRequest)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	code, reason := s.run(entry, r.RemoteAddr, c, sess)
	within, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	farewell(w.(http3.HTTPStreamer).HTTPStream(), code, reason)
	select { // the client ends its side when it has read the code, and then the connection, unless it has another use for that
	case <-c.Context().Done():
	case <-within.Done():
		_ = c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
}

// farewell tells a client, on the stream that the session itself has, that it ends, with a code and a reason.
//
// Session.CloseWithError would send the same capsule and ask the client in the same breath to stop sending on the session's own
// stream (STOP_SENDING, which goes ahead of data in a packet). That is by the letter of the protocol, but Chromium then resets its side
// instead of ending it, and tells its page that the connection was lost, rather than the code. So the capsule is sent by itself, and the
// end of our side.
func farewell(control *http3.Stream, code uint16, reason string) {
	var capsule bytes.Buffer
	_ = http3.WriteCapsule(&capsule, closeSession, append(binary.BigEndian.AppendUint32(nil, uint32(code)), short(reason)...))
	_ = control.SetWriteDeadline(time.Now().Add(closeWithin)) // fails, like all that follows, only where the client has gone
	_, _ = control.Write(capsule.Bytes())
	_ = control.Close()
}

// short is as much of a reason as a session may end with.
func short(reason string) string {
	const most = 1024
	if len(reason) <= most {
		return reason
	}
	return strings.ToValidUTF8(reason[:most], "")
}

// enter lets the client of a request in, or says why not.
func (s *Server) enter(r *http.Request) (*gate.Entry, *gate.Refusal) {
	refuse := func(refused *gate.Refusal) (*gate.Entry, *gate.Refusal) {
		s.opt.Gate.CountRefused(refused.Status)
		return nil, refused
	}
	if r.Method != http.MethodConnect {
		return refuse(&gate.Refusal{Status: http.StatusMethodNotAllowed, Text: "this is for WebTransport: a session begins with an extended CONNECT, not " + r.Method})
	}
	if refused := s.opt.Gate.CheckOrigin(r); refused != nil {
		return refuse(refused)
	}
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if kind != "" && !strings.EqualFold(kind, "Bearer") {
		return refuse(gate.Unauthenticated("want Authorization: Bearer TOKEN, or the token in hello", ""))
	}
	return s.opt.Gate.Enter(r, strings.TrimSpace(token))
}

// run waits for the client's stream and serves the client on it.
func (s *Server) run(entry *gate.Entry, remote string, c *conn, sess *webtransport.Session) (code uint16, reason string) {
	ctx, cancel := context.WithTimeout(sess.Context(), s.opt.OpenWithin)
	defer cancel()
	st, err := sess.AcceptStream(ctx)
	if err != nil {
		entry.Leave()
		return uint16(session.CloseHelloTimeout), "no stream was opened"
	}
	return s.opt.Streams.Carry(entry, remote, pipe{st, c})
}
