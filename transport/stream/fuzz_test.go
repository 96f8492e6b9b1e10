package stream

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/transport/gate"
)

// Whatever stands in the URL of an event stream, and in the id that it goes on from: it is refused, or becomes requests that read
// as what they were made of.
func FuzzEventStream(f *testing.F) {
	f.Add("symbols=sim:BTC-USD,@majors&channels=quote,trade&cadence_ms=250&history=5", "@7 sim:BTC-USD=1293")
	f.Add("symbols=x:A&channels=trade&trade_summary=1&timeliness=delayed&size_cadence_ms=500&max_bytes_per_second=10000", "")
	f.Add("symbols=x:A&symbols=x:B", "@1 x:A=3 +2")
	f.Add("symbols=%ff&client=%c3%28&depth=-1", "@0")
	f.Add("symbols=x:A&last_event_id=@1%20x:A=2&channels=trade", "")
	f.Fuzz(func(t *testing.T, query, last string) {
		r := httptest.NewRequest(http.MethodGet, "/v1/sse", nil)
		r.URL = &url.URL{Path: "/v1/sse", RawQuery: query}
		r.Header.Set("Last-Event-ID", last)
		ask, err := parseSSE(r)
		if err != nil {
			return
		}
		for n, m := range ask.messages() {
			got := new(feedv1.ClientFrame)
			if len(m) == 0 {
				continue // text that is not UTF-8: refused as malformed
			}
			if err := protojson.Unmarshal(m, got); err != nil {
				t.Fatalf("message %d of %q does not read: %v", n, query, err)
			}
			if s := got.GetSubscribe(); s != nil && (len(s.Symbols) == 0 || len(s.Symbols) != len(ask.subscribe.Symbols)) {
				t.Fatalf("%q subscribes to %v", query, s.Symbols)
			}
		}
	})
}

// Whatever comes over WebTransport: messages are those that the same bytes hold as a body, none is beyond the limit, and what is
// cut off is no message.
func FuzzCarried(f *testing.F) {
	g, err := gate.New(gate.Options{})
	if err != nil {
		f.Fatal(err)
	}
	entry, refused := g.Enter(httptest.NewRequest(http.MethodGet, "/v1/webtransport", nil), "")
	if refused != nil {
		f.Fatal(refused)
	}
	f.Cleanup(entry.Leave)
	f.Add([]byte("\x02\x08\x01\x00\x04\x08\x02\x1a\x00"))
	f.Add([]byte("\x05")) // no end of a session: what was announced did not come
	f.Add([]byte("\x05\x08"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"))
	f.Add(append([]byte{0x80, 0x80, 0x01}, make([]byte, 16<<10)...))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := &Conn{entry: entry, from: bufio.NewReaderSize(bytes.NewReader(body), 512)}
		rest := body
		for {
			m, err := c.read()
			if err != nil {
				whole, wrong := splitDelimited(rest)
				if errors.Is(err, io.EOF) && len(rest) > 0 || wrong == nil && len(whole) > 0 && len(whole[0]) <= entry.MaxMessage() {
					t.Fatalf("%q is left and %v is read from it", rest, err)
				}
				return
			}
			size, n := binary.Uvarint(rest) // perhaps written longer than need be
			if n <= 0 || size != uint64(len(m)) || len(m) > entry.MaxMessage() || !bytes.HasPrefix(rest[n:], m) {
				t.Fatalf("%q is read from %q", m, rest)
			}
			rest = rest[n+len(m):]
		}
	})
}
