package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func get(t *testing.T, method, target string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	r.Header = header
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// link is a link to another place: nothing is loaded from there until a viewer follows it.
var link = regexp.MustCompile(`<a (?:class="credit" )?href="https://[^>]*>`)

func TestPageAndItsFilesAreServed(t *testing.T) {
	index := body(t, get(t, "GET", "/?symbols=sim:BTC-USD&rate=250", nil))
	for _, reference := range regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllSubmatch(link.ReplaceAll(index, nil), -1) {
		r := get(t, "GET", "/"+string(reference[1]), nil)
		if r.StatusCode != http.StatusOK {
			t.Errorf("index.html names %s: status %d", reference[1], r.StatusCode)
		}
	}
	for name, want := range map[string]string{
		"/": "text/html; charset=utf-8", "/index.html": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8",
		"/style.css": "text/css; charset=utf-8", "/favicon.svg": "image/svg+xml", "/inter-latin-wght-normal.woff2": "font/woff2",
	} {
		r := get(t, "GET", name, nil)
		if got := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || got != want {
			t.Errorf("GET %s: status %d, Content-Type %q; want 200, %q", name, r.StatusCode, got, want)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: browsers may guess the type", name)
		}
	}
}

// The policy is worth something only while the page needs no exception from it.
func TestPageObeysItsSecurityPolicy(t *testing.T) {
	r := get(t, "GET", "/", nil)
	policy := r.Header.Get("Content-Security-Policy")
	for _, never := range []string{"unsafe-eval", "unsafe-inline", "http:", "https:", "*"} {
		if strings.Contains(policy, never) {
			t.Errorf("policy %q allows %s", policy, never)
		}
	}
	index := link.ReplaceAllString(string(body(t, r)), "")
	for what, pattern := range map[string]string{
		"an inline script":        `<script(?:\s+type="module")?>`,
		"an inline style":         `<style|\sstyle="`,
		"an inline event handler": `\son[a-z]+="`,
		"another host":            `(?:src|href)="(?:https?:)?//`,
	} {
		if found := regexp.MustCompile(pattern).FindString(index); found != "" {
			t.Errorf("index.html holds %s: %s", what, found)
		}
	}
}

func TestFilesAreCompressedForThoseWhoTakeIt(t *testing.T) {
	for _, c := range []struct {
		accept string
		want   string
	}{
		{"gzip, deflate, br", "gzip"}, {"br;q=1.0, GZIP;q=0.5", "gzip"}, {"", ""}, {"br", ""}, {"gzip;q=0", ""}, {"gzip; q=0.0", ""},
	} {
		r := get(t, "GET", "/app.js", http.Header{"Accept-Encoding": {c.accept}})
		if got := r.Header.Get("Content-Encoding"); got != c.want {
			t.Errorf("Accept-Encoding %q: sent as %q, want %q", c.accept, got, c.want)
		}
	}
	plain := body(t, get(t, "GET", "/app.js", nil))
	packed := body(t, get(t, "GET", "/app.js", http.Header{"Accept-Encoding": {"gzip"}}))
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(z)
	if err != nil || !bytes.Equal(unpacked, plain) {
		t.Errorf("the compressed form is not the plain one: %d bytes of %d, error %v", len(unpacked), len(plain), err)
	}
}

func TestBrowserThatHasTheFileIsToldSo(t *testing.T) {
	for _, encoding := range []string{"", "gzip"} {
		header := http.Header{"Accept-Encoding": {encoding}}
		etag := get(t, "GET", "/app.js", header).Header.Get("ETag")
		for _, held := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
			header.Set("If-None-Match", held)
			r := get(t, "GET", "/app.js", header)
			if r.StatusCode != http.StatusNotModified || len(body(t, r)) != 0 {
				t.Errorf("encoding %q, If-None-Match %s: status %d, want 304 without a body", encoding, held, r.StatusCode)
			}
		}
		header.Set("If-None-Match", `"other"`)
		if r := get(t, "GET", "/app.js", header); r.StatusCode != http.StatusOK {
			t.Errorf("encoding %q: a browser with another version got status %d, want 200", encoding, r.StatusCode)
		}
	}
	if get(t, "GET", "/app.js", nil).Header.Get("ETag") == get(t, "GET", "/app.js", http.Header{"Accept-Encoding": {"gzip"}}).Header.Get("ETag") {
		t.Error("both forms carry one tag: a cache could hand out the wrong one")
	}
}

func TestOtherRequestsAreRefusedWithAReason(t *testing.T) {
	for _, c := range []struct {
		method, target string
		status         int
		want           string
	}{
		{"POST", "/", http.StatusMethodNotAllowed, "want GET or HEAD"},
		{"GET", "/nothing.js", http.StatusNotFound, "the dashboard is at /"},
		{"GET", "/../embed.go", http.StatusNotFound, "the dashboard is at /"},
	} {
		r := get(t, c.method, c.target, nil)
		if got := string(body(t, r)); r.StatusCode != c.status || !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %d %q; want %d and %q", c.method, c.target, r.StatusCode, got, c.status, c.want)
		}
	}
	if r := get(t, "HEAD", "/", nil); r.StatusCode != http.StatusOK || r.Header.Get("Content-Length") == "" || len(body(t, r)) != 0 {
		t.Errorf("HEAD /: status %d, length %q", r.StatusCode, r.Header.Get("Content-Length"))
	}
}

func TestPageWithoutIndexIsFoundAtOnce(t *testing.T) {
	_, err := load(fstest.MapFS{"app.js": {Data: []byte("x")}})
	if err == nil || !strings.Contains(err.Error(), "npm run build") {
		t.Errorf("error %v: want one that says how to build the page", err)
	}
}

func TestAssetsHoldThePage(t *testing.T) {
	if err := fstest.TestFS(Assets(), "index.html", "app.js", "boot.js", "style.css", "favicon.svg"); err != nil {
		t.Error(err)
	}
	if _, err := fs.Stat(Assets(), "dist"); err == nil {
		t.Error("the files lie in a folder: want them at the root")
	}
}
