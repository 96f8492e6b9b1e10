package ws

import (
	"crypto/sha1" // RFC 6455 prescribes it for the handshake, where it protects nothing
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/transport/gate"
)

// handshake is what a request to connect asks for, as far as we agree to it.
type handshake struct {
	key         string // "" over HTTP/2, where the answer is the response's headers
	subprotocol string // "" when the client offered none
	encoding    fanout.Encoding
	token       string // that the client offers beside the subprotocols; "" without. Never to be logged
	deflate     string // answer to the offers of compression; "" without
}

// read judges a request by itself: whether we could serve it, if there is room.
func (s *Server) read(r *http.Request) (handshake, *gate.Refusal) {
	if refused := checkUpgrade(r); refused != nil {
		return handshake{}, refused
	}
	if refused := s.opt.Gate.CheckOrigin(r); refused != nil {
		return handshake{}, refused
	}
	h := handshake{key: r.Header.Get("Sec-WebSocket-Key")}
	var ok bool
	offered := tokens(r.Header, "Sec-WebSocket-Protocol")
	h.token, offered = takeToken(offered)
	if h.subprotocol, h.encoding, ok = chooseSubprotocol(offered); !ok {
		return handshake{}, &gate.Refusal{Status: http.StatusBadRequest, Text: fmt.Sprintf(
			"none of the subprotocols %q is known; offer %s or %s, or none for JSON", offered, SubprotocolProto, SubprotocolJSON)}
	}
	offers, ok := parseOffers(r.Header.Values("Sec-WebSocket-Extensions"))
	if !ok {
		return handshake{}, &gate.Refusal{Status: http.StatusBadRequest,
			Text: "Sec-WebSocket-Extensions cannot be read: want extensions with parameters, such as permessage-deflate; client_max_window_bits=15"}
	}
	if s.opt.Deflate != DeflateOff {
		h.deflate = chooseDeflate(offers)
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

// checkUpgrade judges what RFC 6455, section 4.2.1 asks of a request, or RFC 8441, section 5.
func checkUpgrade(r *http.Request) *gate.Refusal {
	if r.ProtoMajor == 2 {
		return checkConnect(r)
	}
	switch {
	case r.Method != http.MethodGet:
		return &gate.Refusal{Status: http.StatusMethodNotAllowed, Text: "a WebSocket begins with GET, not " + r.Method, Header: "Allow", Value: http.MethodGet}
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return &gate.Refusal{Status: http.StatusHTTPVersionNotSupported, Text: "a WebSocket needs HTTP/1.1 or HTTP/2 here, not " + r.Proto}
	case !hasToken(r.Header, "Upgrade", "websocket") || !hasToken(r.Header, "Connection", "Upgrade"):
		return &gate.Refusal{Status: http.StatusUpgradeRequired, Text: `this is a WebSocket; send the headers "Connection: Upgrade" and "Upgrade: websocket"`, Header: "Sec-WebSocket-Version", Value: "13"}
	case r.ContentLength != 0:
		return &gate.Refusal{Status: http.StatusBadRequest, Text: "a WebSocket's handshake has no body; messages begin behind the answer"}
	}
	if refused := checkSingle(r.Header); refused != nil {
		return refused
	}
	if strings.TrimSpace(r.Header.Get("Sec-WebSocket-Version")) != "13" {
		return &gate.Refusal{Status: http.StatusUpgradeRequired, Text: "only version 13 of WebSocket is known", Header: "Sec-WebSocket-Version", Value: "13"}
	}
	if key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key")); err != nil || len(key) != 16 {
		return &gate.Refusal{Status: http.StatusBadRequest, Text: "Sec-WebSocket-Key must be 16 bytes in base64"}
	}
	return nil
}

// checkSingle refuses headers that come more than once though they must not: which of them counts would differ from reader to
// reader.
func checkSingle(h http.Header) *gate.Refusal {
	for _, name := range []string{"Sec-WebSocket-Key", "Sec-WebSocket-Version", "Origin"} {
		if n := len(h.Values(name)); n > 1 {
			return &gate.Refusal{Status: http.StatusBadRequest, Text: fmt.Sprintf("the header %s came %d times: want it once", name, n)}
		}
	}
	return nil
}

// checkConnect judges an extended CONNECT. Neither a key nor an answer to it exist there: what they were for, to keep
// requests that are none from being taken for a handshake, the pseudo-header does.
func checkConnect(r *http.Request) *gate.Refusal {
	switch protocol := r.Header.Get(":protocol"); {
	case r.Method != http.MethodConnect || protocol == "":
		return &gate.Refusal{Status: http.StatusBadRequest,
			Text: "over HTTP/2 a WebSocket begins with an extended CONNECT (RFC 8441), not " + r.Method + "; over HTTP/1.1 with GET"}
	case protocol != "websocket":
		return &gate.Refusal{Status: http.StatusNotImplemented, Text: fmt.Sprintf("protocol %q is not spoken here, websocket is", protocol)}
	case strings.TrimSpace(r.Header.Get("Sec-WebSocket-Version")) != "13":
		return &gate.Refusal{Status: http.StatusBadRequest, Text: "only version 13 of WebSocket is known", Header: "Sec-WebSocket-Version", Value: "13"}
	}
	return checkSingle(r.Header)
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
