package stream

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

// Over HTTP/2 many streams share a connection: one whose client takes nothing is ended, and the others go on.
func TestStreamsOfOneConnection(t *testing.T) {
	r := newRig(t, Options{WriteTimeout: time.Second}, gate.Options{})
	srv := httptest.NewUnstartedServer(r.Server)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	open := func() (*http.Response, *peer) {
		ctx, cancel := context.WithCancel(context.Background())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/v1/sse?symbols=x:BTC", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cancel(); resp.Body.Close() })
		if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", resp.Proto, resp.Status)
		}
		return resp, next(t, r.peers)
	}
	_, stuck := open()
	resp, well := open()
	in := linesOf(t, resp)
	row := make([]byte, 8<<10)
	for i := range row {
		row[i] = 'x'
	}
	for over := false; !over; {
		for stuck.rows(string(row)) {
		}
		eventually(t, func() bool { return well.rows(`{"n":1}`) })
		in.until(`{"n":1}`)
		select {
		case <-stuck.ended:
			over = true
		default:
		}
	}
	eventually(t, func() bool { return r.Stats()[SSE].Closed[conns.CodeNoProgress] == 1 })
	if n := r.drops.Count(drop.WriteTimeout); n != 1 {
		t.Errorf("%d counted", n)
	}
	well.Close(4503, "cut off")
	in.until("cut off")
	if _, err := io.Copy(io.Discard, in.from); err != nil {
		t.Errorf("the end of a stream: %v", err)
	}
}
