package control

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Role is what a caller may do. Each may what the ones before may.
type Role uint8

// Roles.
const (
	Nobody Role = iota
	Viewer
	Operator
	Admin
)

var roleNames = [...]string{"nobody", "viewer", "operator", "admin"}

// String returns "viewer", "operator" or "admin".
func (r Role) String() string { return roleNames[min(int(r), len(roleNames)-1)] }

func parseRole(name string) (Role, bool) {
	for r := Viewer; r <= Admin; r++ {
		if r.String() == name {
			return r, true
		}
	}
	return Nobody, false
}

// caller is who asks.
type caller struct {
	name string
	role Role
}

// Access knows the tokens of operators. Its methods may be called from any goroutine.
type Access struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	seen   time.Time // of the file, when it was last read
	tokens []token
}

type token struct {
	caller
	hash [sha256.Size]byte
}

// minToken is how short a token may be.
const minToken = 16

// OpenAccess reads a file with a line "NAME ROLE TOKEN" for each operator; it is read again when it changes. An empty path lets
// callers from this machine do everything, and nobody else anything.
func OpenAccess(path string, log *slog.Logger) (*Access, error) {
	a := &Access{path: path, log: log}
	if path == "" {
		return a, nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Mode().Perm()&0o077 != 0 {
		log.Warn("the file with the operators' tokens can be read by others: chmod 600", slog.String("file", path))
	}
	return a, a.read(st.ModTime())
}

// read takes the tokens over, all or none.
func (a *Access) read(changed time.Time) error {
	text, err := os.ReadFile(a.path)
	if err != nil {
		return err
	}
	tokens, err := parseTokens(text)
	if err != nil {
		return fmt.Errorf("%s: %w", a.path, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens, a.seen = tokens, changed
	return nil
}

func parseTokens(text []byte) (tokens []token, err error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) != 3 {
			return nil, fmt.Errorf("line %d has %d words: want NAME ROLE TOKEN", n, len(words))
		}
		role, ok := parseRole(words[1])
		switch {
		case !ok:
			return nil, fmt.Errorf("line %d: role %q: want viewer, operator or admin", n, words[1])
		case len(words[2]) < minToken:
			return nil, fmt.Errorf("line %d: a token of %d bytes can be guessed: want at least %d, as from openssl rand -hex 32", n, len(words[2]), minToken)
		}
		tokens = append(tokens, token{caller{words[0], role}, sha256.Sum256([]byte(words[2]))})
	}
	if len(tokens) == 0 {
		return nil, fmt.Errorf("no tokens: want a line NAME ROLE TOKEN for each operator")
	}
	return tokens, lines.Err()
}

// refresh reads the file again if it has changed. One that cannot be used changes nothing.
func (a *Access) refresh() {
	st, err := os.Stat(a.path)
	a.mu.Lock()
	same := err == nil && st.ModTime().Equal(a.seen)
	if err == nil {
		a.seen = st.ModTime() // so that what is wrong with it is said once
	}
	a.mu.Unlock()
	if same {
		return
	}
	if err == nil {
		err = a.read(st.ModTime())
	}
	if err != nil {
		a.log.Error("the operators' tokens stay as they were", slog.Any("err", err))
	}
}

// identify returns who asks, or the status and the text to refuse with.
func (a *Access) identify(r *http.Request) (c caller, status int, text string) {
	if origin := r.Header.Get("Origin"); origin != "" && !sameHost(origin, r.Host) || r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return c, http.StatusForbidden, "pages of other hosts may not use this API"
	}
	if a.path == "" {
		return identifyLocal(r)
	}
	a.refresh()
	shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return c, http.StatusUnauthorized, "show a token: Authorization: Bearer TOKEN"
	}
	hash := sha256.Sum256([]byte(shown))
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.tokens {
		if subtle.ConstantTimeCompare(hash[:], a.tokens[i].hash[:]) == 1 {
			c = a.tokens[i].caller
		}
	}
	if c.role == Nobody {
		return c, http.StatusUnauthorized, "this token is not known here"
	}
	return c, 0, ""
}

// identifyLocal lets in whoever sits on this machine. The name that was asked for must be this machine's too, or a page could
// have its own name lead here.
func identifyLocal(r *http.Request) (c caller, status int, text string) {
	const closed = "without a file of tokens (--admin-tokens) this API is for callers on the same machine"
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !at.Addr().Unmap().IsLoopback() || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return c, http.StatusUnauthorized, closed
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if host != "localhost" && (err != nil || !addr.IsLoopback()) {
		return c, http.StatusForbidden, closed + ", under the name localhost"
	}
	return caller{"local", Admin}, 0, ""
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == host
}
