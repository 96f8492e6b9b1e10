package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is how values of a type are written. The errors of parse say what would be right.
type kind[T any] struct {
	parse  func(string) (T, error)
	format func(T) string
}

// where narrows a kind to values that a check takes.
func (k kind[T]) where(check func(T) error) kind[T] {
	return kind[T]{format: k.format, parse: func(s string) (T, error) {
		v, err := k.parse(s)
		if err == nil {
			err = check(v)
		}
		return v, err
	}}
}

var text = kind[string]{
	parse:  func(s string) (string, error) { return s, nil },
	format: func(s string) string { return s },
}

var boolean = kind[bool]{
	parse: func(s string) (bool, error) {
		v, err := strconv.ParseBool(s)
		if err != nil {
			return false, errors.New("want true or false")
		}
		return v, nil
	},
	format: strconv.FormatBool,
}

// words is a list. A file may have a list of YAML as well.
var words = kind[[]string]{
	parse: func(s string) (list []string, _ error) {
		for word := range strings.SplitSeq(s, ",") {
			if word = strings.TrimSpace(word); word != "" {
				list = append(list, word)
			}
		}
		return list, nil
	},
	format: func(list []string) string { return strings.Join(list, ",") },
}

// Rules is a list of texts that may hold commas.
type Rules []string

var rules = kind[Rules]{
	parse: func(s string) (list Rules, _ error) {
		for entry := range strings.SplitSeq(s, ";") {
			if entry = strings.TrimSpace(entry); entry != "" {
				list = append(list, entry)
			}
		}
		return list, nil
	},
	format: func(list Rules) string { return strings.Join(list, "; ") },
}

var unsigned = kind[uint64]{
	parse: func(s string) (uint64, error) {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return 0, errors.New("want a whole number of 0 or more")
		}
		return v, nil
	},
	format: func(v uint64) string { return strconv.FormatUint(v, 10) },
}

// ordered is a kind whose values can be bounded.
type ordered[T int | float64 | time.Duration] struct {
	kind[T]
}

// from narrows a kind to values of at least low.
func (k ordered[T]) from(low T) kind[T] {
	return k.where(func(v T) error {
		if v < low {
			return fmt.Errorf("want %s or more", k.format(low))
		}
		return nil
	})
}

// within narrows a kind to values between low and high, both included.
func (k ordered[T]) within(low, high T) kind[T] {
	return k.where(func(v T) error {
		if !(v >= low && v <= high) {
			return fmt.Errorf("want %s to %s", k.format(low), k.format(high))
		}
		return nil
	})
}

// Steps are shares at which a node does more and more, in ascending order, each from 0 to 1.
type Steps [3]float64

var steps = kind[Steps]{
	parse: func(s string) (v Steps, err error) {
		bad := errors.New("want three shares from 0 to 1, in ascending order, such as 0.7,0.8,0.9")
		parts := strings.Split(s, ",")
		if len(parts) != len(v) {
			return v, bad
		}
		for i, part := range parts {
			if v[i], err = strconv.ParseFloat(strings.TrimSpace(part), 64); err != nil || !(v[i] > 0 && v[i] <= 1) || i > 0 && v[i] <= v[i-1] {
				return v, bad
			}
		}
		return v, nil
	},
	format: func(v Steps) string {
		return fmt.Sprintf("%g,%g,%g", v[0], v[1], v[2])
	},
}

var integer = ordered[int]{kind[int]{
	parse: func(s string) (int, error) {
		v, err := strconv.Atoi(s)
		if err != nil {
			return 0, errors.New("want a whole number")
		}
		return v, nil
	},
	format: strconv.Itoa,
}}

var share = ordered[float64]{kind[float64]{
	parse: func(s string) (float64, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0, errors.New("want a number")
		}
		return v, nil
	},
	format: func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) },
}}

var duration = ordered[time.Duration]{kind[time.Duration]{
	parse: func(s string) (time.Duration, error) {
		v, err := time.ParseDuration(s)
		if err != nil {
			return 0, errors.New("want a duration such as 250ms, 2s or 1m")
		}
		return v, nil
	},
	format: func(d time.Duration) string {
		// As a person would write it: 1m, not 1m0s.
		s := d.String()
		if strings.HasSuffix(s, "m0s") {
			s = s[:len(s)-2]
		}
		if strings.HasSuffix(s, "h0m") {
			s = s[:len(s)-2]
		}
		return s
	},
}}

// durations is a list, from the shortest, each within bounds and at most so many.
func durations(low, high time.Duration, most int) kind[[]time.Duration] {
	each := duration.within(low, high)
	return kind[[]time.Duration]{
		parse: func(s string) (list []time.Duration, _ error) {
			entries, _ := words.parse(s)
			for _, entry := range entries {
				d, err := each.parse(entry)
				if err != nil {
					return nil, err
				}
				list = append(list, d)
			}
			slices.Sort(list)
			if list = slices.Compact(list); len(list) > most {
				return nil, fmt.Errorf("want at most %d", most)
			}
			return list, nil
		},
		format: func(list []time.Duration) string {
			texts := make([]string, len(list))
			for i, d := range list {
				texts[i] = each.format(d)
			}
			return strings.Join(texts, ",")
		},
	}
}

// oneOf is a kind for a few words.
func oneOf(words ...string) kind[string] {
	return text.where(func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("want one of %s", strings.Join(words, ", "))
		}
		return nil
	})
}

// isLoopback reports whether an address in HOST:PORT is for this machine alone.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func isHostPort(address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return errors.New("want HOST:PORT, such as 127.0.0.1:8080")
	}
	return nil
}

// isHostPortOrNone takes nothing, or an address.
func isHostPortOrNone(address string) error {
	if address == "" {
		return nil
	}
	return isHostPort(address)
}

var bucketName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// isBucket takes what NATS takes as the name of a bucket.
func isBucket(name string) error {
	if !bucketName.MatchString(name) {
		return errors.New("want letters, digits, dashes and underscores")
	}
	return nil
}

// isReadable takes nothing, or the path of a file.
func isReadable(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("want a file that can be read: %w", err)
	}
	return f.Close()
}

// isHTTP takes nothing, or a URL of HTTP.
func isHTTP(address string) error {
	if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("want http://HOST:PORT")
	}
	return nil
}

// isWebSocket takes nothing, or where a WebSocket is reached.
func isWebSocket(text string) error {
	u, err := url.Parse(text)
	if text != "" && (err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" || u.User != nil || u.Fragment != "" || len(text) > 512) {
		return errors.New("want ws://HOST:PORT/v1/ws or wss://HOST/v1/ws, without a user or fragment")
	}
	return nil
}

// isWebTransport takes nothing, or where WebTransport is reached.
func isWebTransport(text string) error {
	u, err := url.Parse(text)
	if text != "" && (err != nil || u.Host == "" || u.Scheme != "https" || u.User != nil || u.Fragment != "" || len(text) > 512) {
		return errors.New("want https://HOST:PORT/v1/webtransport, without a user or fragment")
	}
	return nil
}

// isNATS takes nothing, or URLs of NATS servers with commas between them.
func isNATS(urls string) error {
	if urls == "" {
		return nil
	}
	for address := range strings.SplitSeq(urls, ",") {
		u, err := url.Parse(strings.TrimSpace(address))
		if err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return errors.New("want nats://HOST:PORT, or several separated by commas")
		}
	}
	return nil
}
