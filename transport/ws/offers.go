package ws

import (
	"strings"

	"golang.org/x/net/http/httpguts"
)

// offer is an element of Sec-WebSocket-Extensions: an extension with its parameters.
type offer struct {
	name   string
	params []param
}

// param is a parameter of an offer. Its value is out of its quotes already.
type param struct {
	name, value string
	valued      bool
}

// parseOffers reads the lines of a Sec-WebSocket-Extensions header. ok is false for what is none by the grammar of RFC 6455,
// section 9.1: with that a handshake must fail, whereas an offer that is merely unknown or impossible is passed over. Space may stand
// between any two parts, and elements of the list may be empty, as HTTP has it for all lists.
func parseOffers(lines []string) (offers []offer, ok bool) {
	for _, line := range lines {
		for s := (scanner{line}); ; {
			for s.take(',') {
			}
			if s.rest == "" {
				break
			}
			o, ok := s.offer()
			if !ok || s.rest != "" && s.rest[0] != ',' {
				return nil, false
			}
			offers = append(offers, o)
		}
	}
	return offers, true
}

// scanner reads a header from its front. Space ahead of what it looks for is passed over.
type scanner struct{ rest string }

func (s *scanner) offer() (o offer, ok bool) {
	if o.name = s.token(); o.name == "" {
		return o, false
	}
	for s.take(';') {
		p := param{name: s.token()}
		if p.name == "" {
			return o, false
		}
		if p.valued = s.take('='); p.valued {
			if p.value = s.value(); p.value == "" {
				return o, false
			}
		}
		o.params = append(o.params, p)
	}
	return o, true
}

// value reads a token, which may stand in quotes. "" is none.
func (s *scanner) value() string {
	if !s.take('"') {
		return s.token()
	}
	var b strings.Builder
	for i := 0; i < len(s.rest); i++ {
		c := s.rest[i]
		switch {
		case c == '"':
			s.rest = strings.TrimLeft(s.rest[i+1:], " \t")
			return b.String()
		case c == '\\' && i+1 < len(s.rest):
			i++
			c = s.rest[i]
		}
		if !httpguts.IsTokenRune(rune(c)) { // also once unquoted it must be a token
			return ""
		}
		b.WriteByte(c)
	}
	return ""
}

// token reads a token; "" where there is none.
func (s *scanner) token() string {
	n := 0
	for n < len(s.rest) && httpguts.IsTokenRune(rune(s.rest[n])) {
		n++
	}
	name := s.rest[:n]
	s.rest = strings.TrimLeft(s.rest[n:], " \t")
	return name
}

// take passes over c, if that comes next.
func (s *scanner) take(c byte) bool {
	s.rest = strings.TrimLeft(s.rest, " \t")
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = strings.TrimLeft(s.rest[1:], " \t")
	return true
}
