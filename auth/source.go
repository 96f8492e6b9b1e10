package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"golang.org/x/time/rate"
)

const (
	// refreshEvery is the time between two fetches of a set that nothing calls for.
	refreshEvery = 10 * time.Minute
	// askEvery bounds the fetches that unknown keys call for, and askWithin how long a client waits for one.
	askEvery  = 10 * time.Second
	askWithin = 3 * time.Second
	// maxSet bounds a set in bytes.
	maxSet = 1 << 20
	// fileEvery is the time between two looks at a file.
	fileEvery = 2 * time.Second
)

// source is where an issuer's keys are.
type source struct {
	keys *lastGood
	read jwkset.Storage // keys, or what fetches them anew where one is missing
	run  func(context.Context)
}

// fromURL fetches a set now, again and again until ctx ends, and when a key is missing. A server that starts while the
// issuer is away tries again.
func fromURL(ctx context.Context, url string, every time.Duration, log *slog.Logger) (*source, error) {
	keys := newLastGood()
	client := &http.Client{Timeout: askWithin, Transport: limited{http.DefaultTransport}, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirects")
		}
		return checkURL(r.URL.String())
	}}
	fetched, err := jwkset.NewStorageFromHTTP(url, jwkset.HTTPClientStorageOptions{
		Client: client, Ctx: ctx, HTTPTimeout: askWithin, NoErrorReturnFirstHTTPReq: true, RefreshInterval: refreshEvery, Storage: keys,
		RefreshErrorHandler: func(_ context.Context, err error) {
			keys.failing.Store(true)
			log.Error("the issuer's keys cannot be fetched, the last good ones stay", "url", url, "error", err)
		},
	})
	if err != nil {
		return nil, err
	}
	asking, err := jwkset.NewHTTPClient(jwkset.HTTPClientOptions{
		HTTPURLs: map[string]jwkset.Storage{url: fetched}, PrioritizeHTTP: true,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(every), 1), RateLimitWaitMax: askWithin,
	})
	if err != nil {
		return nil, err
	}
	return &source{keys: keys, read: asking, run: func(ctx context.Context) { <-ctx.Done() }}, nil
}

// limited reads no more of an answer than a set can be long.
type limited struct{ http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(response.Body, maxSet), response.Body}
	}
	return response, err
}

// fromFile reads a set from a file, and again whenever it has changed. It must be there at the start.
func fromFile(path string, log *slog.Logger) (*source, error) {
	f := &keyFile{path: path, keys: newLastGood(), log: log, asking: rate.NewLimiter(1, 1)}
	if err := f.reread(); err != nil {
		return nil, err
	}
	return &source{keys: f.keys, read: asked{f.keys, f}, run: f.run}, nil
}

type keyFile struct {
	path   string
	keys   *lastGood
	log    *slog.Logger
	asking *rate.Limiter // of readings that unknown keys call for

	mu   sync.Mutex
	seen []byte
}

// asked reads the file again where a key is missing.
type asked struct {
	jwkset.Storage
	file *keyFile
}

func (a asked) KeyRead(ctx context.Context, kid string) (jwkset.JWK, error) {
	k, err := a.Storage.KeyRead(ctx, kid)
	if err == nil || !a.file.asking.Allow() {
		return k, err
	}
	if err := a.file.reread(); err != nil {
		a.file.tell(err)
	}
	return a.Storage.KeyRead(ctx, kid)
}

func (f *keyFile) run(ctx context.Context) {
	tick := time.NewTicker(fileEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := f.reread(); err != nil {
				f.tell(err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (f *keyFile) tell(err error) {
	f.log.Error("the issuer's keys cannot be read, the last good ones stay", "error", err)
}

// reread takes over a file that has changed. What cannot be used is told once.
func (f *keyFile) reread() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := readAtMost(f.path, maxSet)
	if err == nil && f.seen != nil && bytes.Equal(text, f.seen) {
		return nil
	}
	if err == nil {
		f.seen = append([]byte{}, text...) // never nil
		err = f.parse(text)
	}
	if err != nil {
		told := f.keys.failing.Swap(true)
		if told && f.keys.loaded.Load() {
			return nil
		}
		return fmt.Errorf("keys in %s: %w", f.path, err)
	}
	return nil
}

func (f *keyFile) parse(text []byte) error {
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal(text, &set); err != nil {
		return fmt.Errorf("not a set of keys (JWKS): %w", err)
	}
	var keys []jwkset.JWK
	for _, m := range set.Keys {
		// What this version does not know is passed over, as RFC 7517 has it.
		if k, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{}); err == nil {
			keys = append(keys, k)
		}
	}
	return f.keys.KeyReplaceAll(context.Background(), keys)
}

func readAtMost(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return text, err
}
