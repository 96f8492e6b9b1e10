package ws

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/feedd/feedd/fanout"
)

// The subprotocols.
const (
	SubprotocolProto = "feedd.v1.proto"
	SubprotocolJSON  = "feedd.v1.json"
)

const deflateName = "permessage-deflate"

// chooseSubprotocol returns the first subprotocol that the client offers and we know, and its encoding. A
// client that offers none is taken for a person at a command line: it gets JSON, and no name in the answer.
func chooseSubprotocol(offered []string) (name string, enc fanout.Encoding, ok bool) {
	for _, name := range offered {
		switch name { // the constants, lest the connection keep the header that name is a part of
		case SubprotocolProto:
			return SubprotocolProto, fanout.Proto, true
		case SubprotocolJSON:
			return SubprotocolJSON, fanout.JSON, true
		}
	}
	return "", fanout.JSON, len(offered) == 0
}

// chooseDeflate returns our answer to the client's offers of extensions, which is the value of the
// Sec-WebSocket-Extensions header; "": none of them is accepted. Offers stand in the order of the client's
// preference, and the first that we can keep to is taken (RFC 7692, section 5).
//
// Both directions go without context takeover; a server may ask for that unasked. client_max_window_bits
// must not be answered unless it was offered, and need not be then. A smaller server window is declined,
// since frames are compressed once for all connections, with the whole window.
func chooseDeflate(offers []offer) string {
	for _, o := range offers {
		if o.name != deflateName {
			continue
		}
		if answer, ok := answerDeflate(o.params); ok {
			return answer
		}
	}
	return ""
}

func answerDeflate(params []param) (answer string, ok bool) {
	answer = deflateName + "; server_no_context_takeover; client_no_context_takeover"
	seen := make(map[string]bool)
	for _, p := range params {
		if seen[p.name] {
			return "", false
		}
		seen[p.name] = true
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if p.valued {
				return "", false
			}
		case "client_max_window_bits":
			if p.valued && windowBits(p.value) == 0 {
				return "", false
			}
		case "server_max_window_bits":
			if windowBits(p.value) != 15 {
				return "", false
			}
			answer += "; server_max_window_bits=15"
		default:
			return "", false
		}
	}
	return answer, true
}

// windowBits reads 8 to 15, without leading zeros, and returns 0 for anything else.
func windowBits(s string) int {
	if n, err := strconv.Atoi(s); err == nil && n >= 8 && n <= 15 && s == strconv.Itoa(n) {
		return n
	}
	return 0
}

// tokens returns the elements of a header that holds a list, over all its lines.
func tokens(h http.Header, key string) []string {
	var out []string
	for _, line := range h.Values(key) {
		for _, s := range strings.Split(line, ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

func hasToken(h http.Header, key, want string) bool {
	for _, s := range tokens(h, key) {
		if strings.EqualFold(s, want) {
			return true
		}
	}
	return false
}
