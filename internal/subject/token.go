package subject

import "fmt"

const upperHex = "0123456789ABCDEF"

// plain reports whether c stands for itself in a token.
func plain(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// Token returns name as one token of a NATS subject.
func Token(name string) string {
	for i := 0; i < len(name); i++ {
		if !plain(name[i]) {
			return string(appendToken(make([]byte, 0, len(name)+8), name))
		}
	}
	return name
}

func appendToken(dst []byte, name string) []byte {
	for i := 0; i < len(name); i++ {
		if c := name[i]; plain(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// ParseToken returns the name that token stands for. Any byte but '%' may stand for itself; an escape
// must be '%' and two hexadecimal digits.
func ParseToken(token string) (string, error) {
	escaped := false
	for i := 0; i < len(token); i++ {
		if token[i] != '%' {
			continue
		}
		if i+2 >= len(token) || unhex(token[i+1]) < 0 || unhex(token[i+2]) < 0 {
			return "", fmt.Errorf("token %q: want two hexadecimal digits behind each %%, such as BRK%%2EB", token)
		}
		escaped = true
		i += 2
	}
	if !escaped {
		return token, nil
	}
	name := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c == '%' {
			c = byte(unhex(token[i+1])<<4 | unhex(token[i+2]))
			i += 2
		}
		name = append(name, c)
	}
	return string(name), nil
}

// unhex returns the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
