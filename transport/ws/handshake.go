package ws

import (
	"crypto/sha1" // RFC 6455 prescribes it for the handshake, where it protects nothing
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
)

// handshake is what a request to connect asks for, as far as we agree to it.
type handshake struct {
	key         string // "" over HTTP/2, where the answer is the response's headers
	subprotocol string // "" when the client offered none
	encoding    fanout.Encoding
	token       string // that the client offers beside the subprotocols; "" without. Never to be logged
	deflate     string // answer to the offers of compression; "" without
}

// refusal is an answer to a request that is not upgraded. Its text says what would be right.
type refusal struct {
	status        int
	text          string
	header, value string // one more header; "" for none
}

// read judges a request by itself: whether we could serve it, if there is room.
func (s *Server) read(r *http.Request) (handshake, *refusal) {
	if refused := checkUpgrade(r); refused != nil {
		return handshake{}, refused
	}
	if origin := r.Header.Get("Origin"); !s.origins.allows(origin, r.Host) {
		return handshake{}, &refusal{status: http.StatusForbidden,
			text: fmt.Sprintf("pages of origin %q may not connect; the operator can add it to the allowed origins", origin)}
	}
	if refused := checkQuery(r); refused != nil {
		return handshake{}, refused
	}
	h := handshake{key: r.Header.Get("Sec-WebSocket-Key")}
	var ok bool
	offered := tokens(r.Header, "Sec-WebSocket-Protocol")
	h.token, offered = takeToken(offered)
	if h.subprotocol, h.encoding, ok = chooseSubprotocol(offered); !ok {
		return handshake{}, &refusal{status: http.StatusBadRequest, text: fmt.Sprintf(
			"none of the subprotocols %q is known; offer %s or %s, or none for JSON", offered, SubprotocolProto, SubprotocolJSON)}
	}
	if s.opt.Deflate != DeflateOff {
		h.deflate = chooseDeflate(tokens(r.Header, "Sec-WebSocket-Extensions"))
	}
	return h, nil
}

// bearer begins a subprotocol that is a token: the one way in which a page can say who it is in its handshake.
const bearer = "bearer."

// takeToken takes the token out of the subprotocols that a client offers.
func takeToken(offered []string) (token string, rest []string) {
	for _, name := range offered {
		if text, ok := strings.CutPrefix(name, bearer); ok {
			token = text
			continue
		}
		rest = append(rest, name)
	}
	return token, rest
}

// checkQuery refuses tokens where they would end up in the logs of everything on the way.
func checkQuery(r *http.Request) *refusal {
	query := r.URL.Query()
	for _, name := range []string{"token", "access_token", "jwt", "bearer"} {
		if query.Has(name) {
			return &refusal{status: http.StatusBadRequest, text: "a token does not belong into a URL, which ends up in logs: " +
				"give it in the first request, hello, or offer the subprotocol bearer.TOKEN; and get a new one"}
		}
	}
	return nil
}

// identify finds out whom a token speaks for.
func (s *Server) identify(token string) (*entitlement.Identity, *refusal) {
	who, err := s.opt.Authenticate(token)
	switch {
	case err == nil:
		return who, nil
	case errors.Is(err, entitlement.ErrUnavailable):
		return nil, busy(http.StatusServiceUnavailable, err.Error(), 3)
	}
	s.opt.Drops.Add(drop.RefusedToken, 1)
	return nil, &refusal{http.StatusUnauthorized, err.Error(), "WWW-Authenticate", `Bearer error="invalid_token"`}
}

// checkUpgrade judges what RFC 6455, section 4.2.1 asks of a request, or RFC 8441, section 5.
func checkUpgrade(r *http.Request) *refusal {
	if r.ProtoMajor == 2 {
		return checkConnect(r)
	}
	switch {
	case r.Method != http.MethodGet:
		return &refusal{http.StatusMethodNotAllowed, "a WebSocket begins with GET, not " + r.Method, "Allow", http.MethodGet}
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return &refusal{status: http.StatusHTTPVersionNotSupported, text: "a WebSocket needs HTTP/1.1 or HTTP/2 here, not " + r.Proto}
	case !hasToken(r.Header, "Upgrade", "websocket") || !hasToken(r.Header, "Connection", "Upgrade"):
		return &refusal{http.StatusUpgradeRequired,
			`this is a WebSocket; send the headers "Connection: Upgrade" and "Upgrade: websocket"`, "Upgrade", "websocket"}
	case strings.TrimSpace(r.Header.Get("Sec-WebSocket-Version")) != "13":
		return &refusal{http.StatusUpgradeRequired, "only version 13 of WebSocket is known", "Sec-WebSocket-Version", "13"}
	}
	if key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key")); err != nil || len(key) != 16 {
		return &refusal{status: http.StatusBadRequest, text: "Sec-WebSocket-Key must be 16 bytes in base64"}
	}
	return nil
}

// checkConnect judges an extended CONNECT. Neither a key nor an answer to it exist there: what they were for, to keep
// requests that are none from being taken for a handshake, the pseudo-header does.
func checkConnect(r *http.Request) *refusal {
	switch protocol := r.Header.Get(":protocol"); {
	case r.Method != http.MethodConnect || protocol == "":
		return &refusal{status: http.StatusBadRequest,
			text: "over HTTP/2 a WebSocket begins with an extended CONNECT (RFC 8441), not " + r.Method + "; over HTTP/1.1 with GET"}
	case protocol != "websocket":
		return &refusal{status: http.StatusNotImplemented, text: fmt.Sprintf("protocol %q is not spoken here, websocket is", protocol)}
	case strings.TrimSpace(r.Header.Get("Sec-WebSocket-Version")) != "13":
		return &refusal{http.StatusBadRequest, "only version 13 of WebSocket is known", "Sec-WebSocket-Version", "13"}
	}
	return nil
}

// write answers a request that is not upgraded, and closes its connection: whoever comes again should come
// through the load balancer again. Over HTTP/2 other streams may be on the connection; it takes no more (GOAWAY) only where
// another node might.
func (f *refusal) write(w http.ResponseWriter, version int) {
	if f.header != "" {
		w.Header().Set(f.header, f.value)
	}
	if version != 2 || f.status == http.StatusServiceUnavailable {
		w.Header().Set("Connection", "close")
	}
	http.Error(w, f.text, f.status)
}

// tell puts what was agreed on into the headers of a response over HTTP/2.
func (h *handshake) tell(headers http.Header) {
	if h.subprotocol != "" {
		headers.Set("Sec-WebSocket-Protocol", h.subprotocol)
	}
	if h.deflate != "" {
		headers.Set("Sec-WebSocket-Extensions", h.deflate)
	}
}

// response is the answer to a request that is upgraded.
func (h *handshake) response() []byte {
	b := make([]byte, 0, 320)
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = append(b, acceptKey(h.key)...)
	if h.subprotocol != "" {
		b = append(append(b, "\r\nSec-WebSocket-Protocol: "...), h.subprotocol...)
	}
	if h.deflate != "" {
		b = append(append(b, "\r\nSec-WebSocket-Extensions: "...), h.deflate...)
	}
	return append(b, "\r\n\r\n"...)
}

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
