package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed dist
var dist embed.FS

// Assets returns the built dashboard: index.html and the files that it names, without folders.
func Assets() fs.FS { return page("dashboard") }

// page returns the files of one page.
func page(name string) fs.FS {
	sub, err := fs.Sub(dist, "dist/"+name)
	if err != nil {
		panic(err) // a valid path is all that Sub asks
	}
	return sub
}

// contentSecurityPolicy lets a page run its own files and talk to its own server; nothing else, and
// no script or style written into the page.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// asset is a file in the forms in which it is sent.
type asset struct {
	contentType string
	etag        string // of the plain form; the compressed one has its own
	gzipETag    string
	plain       []byte
	gzip        []byte // nil where it would not be smaller
}

// Handler serves the dashboard at / and its files beside it. It answers GET and HEAD; other methods get 405,
// unknown paths 404. Files keep their names from version to version, so a browser asks again each time
// and is told 304 while they are the same: a page never mixes the files of two versions for long.
// It is safe for concurrent use. Bad embedded files are a programmer's error and panic here, not later.
func Handler() http.Handler { return serve(Assets(), "the dashboard is at /") }

// Ops serves the ops page at / as Handler does the dashboard: it belongs below /ops/ on the admin listener, whose API it
// calls.
func Ops() http.Handler { return serve(page("ops"), "the ops page is at /ops/") }

// handler serves the files of one page.
type handler struct {
	assets map[string]asset // by path, and index.html at / too
	hint   string           // where the page is, for those who ask for what is not there
}

func serve(files fs.FS, hint string) handler {
	assets, err := load(files)
	if err != nil {
		panic(err)
	}
	return handler{assets: assets, hint: hint}
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, r.Method+" is not allowed here: want GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	a, ok := h.assets[r.URL.Path]
	if !ok {
		http.Error(w, "nothing at "+strconv.Quote(r.URL.Path)+": "+h.hint, http.StatusNotFound)
		return
	}
	a.serve(w, r)
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	body, etag := a.plain, a.etag
	header := w.Header()
	if a.gzip != nil && acceptsGzip(r.Header.Values("Accept-Encoding")) {
		body, etag = a.gzip, a.gzipETag
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Vary", "Accept-Encoding")
	header.Set("ETag", etag)
	header.Set("Cache-Control", "no-cache")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	if matches(r.Header.Values("If-None-Match"), etag) {
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", a.contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // a browser that went away is no one's error
}

// load reads every file once and compresses it once, so that serving is a copy.
func load(files fs.FS) (map[string]asset, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("web: read the built page: %w", err)
	}
	assets := make(map[string]asset, len(entries)+1)
	for _, entry := range entries {
		plain, err := fs.ReadFile(files, entry.Name())
		if err != nil {
			return nil, fmt.Errorf("web: read %s: %w", entry.Name(), err)
		}
		a := asset{contentType: contentType(entry.Name()), plain: plain}
		a.gzip, err = compress(plain)
		if err != nil {
			return nil, fmt.Errorf("web: compress %s: %w", entry.Name(), err)
		}
		sum := sha256.Sum256(plain)
		tag := base64.RawURLEncoding.EncodeToString(sum[:12])
		a.etag, a.gzipETag = `"`+tag+`"`, `"`+tag+`-gzip"`
		assets["/"+entry.Name()] = a
	}
	index, ok := assets["/index.html"]
	if !ok {
		return nil, fmt.Errorf("web: the built page has no index.html: run npm run build -w web")
	}
	assets["/"] = index
	return assets, nil
}

// contentType does not ask the machine's own table of types, which differs from machine to machine.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	}
	return "application/octet-stream"
}

func compress(plain []byte) ([]byte, error) {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if buf.Len() >= len(plain) {
		return nil, nil
	}
	return buf.Bytes(), nil
}

// acceptsGzip reports whether a browser takes gzip; one that refuses it says q=0.
func acceptsGzip(values []string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			name, parameters, _ := strings.Cut(item, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			q, ok := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
			return !ok || strings.Trim(q, "0.") != ""
		}
	}
	return false
}

// matches reports whether If-None-Match names the tag. Proxies mark tags as weak: W/"…".
func matches(values []string, etag string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			item = strings.TrimSpace(item)
			if item == "*" || strings.TrimPrefix(item, "W/") == etag {
				return true
			}
		}
	}
	return false
}
