package ways

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/proc"
)

// Requests of the role. It answers load.Mark as well.
const Come = "come" // takes a Config, answers when all are live

// Config says what the clients do.
type Config struct {
	Way        string   `json:"way"`
	Address    string   `json:"address"`
	Symbols    []string `json:"symbols"`
	Sessions   int      `json:"sessions"`
	PerSession int      `json:"per_session"`
	CadenceMS  uint32   `json:"cadence_ms"`
	Seed       uint64   `json:"seed"`
}

// ways by name: each opens a client and reads until it is closed.
var ways = map[string]func(*clients, []string) error{
	"websocket":      (*clients).webSocket,
	"websocket json": (*clients).webSocketJSON,
	"sse":            (*clients).eventStream,
	"stream":         (*clients).stream,
	"poll":           (*clients).poll,
}

// Names of the ways, the cheapest first.
var Names = []string{"websocket", "websocket json", "sse", "stream", "poll"}

// patience is how long the clients may take to be live.
const patience = time.Minute

// arriving is how many are on their way at a time.
const arriving = 64

// clients are the sessions.
type clients struct {
	cfg  Config
	http http.Client
	// The clients' end: they live in goroutines, as long as their process.
	ctx context.Context

	frames, bytes atomic.Int64 // of rows, since the last mark
	arrivals      chan struct{}
	live          sync.WaitGroup

	mu      sync.Mutex
	trouble error
}

// Role is the process of the clients: it answers requests until in ends.
func Role(in io.Reader, out io.Writer) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var c *clients
	return proc.Serve(in, out, func(do string, body json.RawMessage) (any, error) {
		switch {
		case do == Come && c == nil:
			c = &clients{ctx: ctx, arrivals: make(chan struct{}, arriving)}
			if err := json.Unmarshal(body, &c.cfg); err != nil {
				return nil, err
			}
			return nil, c.come()
		case do == load.Mark && c != nil:
			w := load.Window{GroupWindow: load.GroupWindow{Frames: c.frames.Swap(0), Bytes: c.bytes.Swap(0)}}
			return w, c.wrong()
		}
		return nil, fmt.Errorf("%q is not expected now", do)
	})
}

// come starts the clients and waits until all of them have rows.
func (c *clients) come() error {
	open := ways[c.cfg.Way]
	if open == nil {
		return fmt.Errorf("way %q: want one of %s", c.cfg.Way, strings.Join(Names, ", "))
	}
	c.http.Transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: c.cfg.Sessions}
	for i := range c.cfg.Sessions {
		chance := rand.New(rand.NewPCG(c.cfg.Seed, uint64(i)))
		var symbols []string
		for _, n := range chance.Perm(len(c.cfg.Symbols))[:c.cfg.PerSession] {
			symbols = append(symbols, c.cfg.Symbols[n])
		}
		c.arrivals <- struct{}{}
		c.live.Add(1)
		go func() {
			if err := open(c, symbols); c.ctx.Err() == nil {
				c.fail(fmt.Errorf("%s ended: %w", c.cfg.Way, err))
			}
		}()
	}
	all := make(chan struct{})
	go func() { c.live.Wait(); close(all) }()
	select {
	case <-all:
		return c.wrong()
	case <-time.After(patience):
		return errors.Join(errors.New("not all sessions have rows in time"), c.wrong())
	}
}

func (c *clients) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble == nil {
		c.trouble = err
	}
}

func (c *clients) wrong() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trouble
}

// counter counts the rows of one client.
type counter struct {
	*clients
	seen bool
}

// rows counts a message with rows, which had so many bytes on the connection.
func (c *counter) rows(bytes int) {
	c.frames.Add(1)
	c.bytes.Add(int64(bytes))
	if !c.seen {
		c.seen = true
		<-c.arrivals
		c.live.Done()
	}
}

// lines counts the messages in a text, a line each.
func (c *counter) lines(r io.Reader) error {
	lines := bufio.NewReaderSize(r, 4<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if bytes.Contains(line, []byte(`"quoteTexts":`)) {
			c.rows(len(line))
		}
		if err != nil {
			return err
		}
	}
}

func (c *clients) subscribe(symbols []string) []byte {
	b, _ := json.Marshal(map[string]any{"subscribe": map[string]any{ // cannot fail for these types
		"symbols": symbols, "channels": []string{"quote"}, "cadenceMs": c.cfg.CadenceMS,
	}})
	return b
}

func (c *clients) webSocketJSON(symbols []string) error {
	return c.overWebSocket("feedd.v1.json", 0x81, c.subscribe(symbols), func(payload []byte) bool {
		return bytes.Contains(payload, []byte(`"quoteTexts":`))
	})
}

// overWebSocket upgrades, says one message, and reads frames.
func (c *clients) overWebSocket(subprotocol string, first byte, message []byte, hasRows func(payload []byte) bool) error {
	nc, err := new(net.Dialer).DialContext(c.ctx, "tcp", c.cfg.Address)
	if err != nil {
		return err
	}
	defer nc.Close()
	defer context.AfterFunc(c.ctx, func() { _ = nc.Close() })()
	hello := fmt.Appendf(nil, "GET /v1/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n\r\n", c.cfg.Address, subprotocol)
	if _, err := nc.Write(append(hello, masked(first, message)...)); err != nil {
		return err
	}
	br := bufio.NewReaderSize(nc, 4<<10)
	response, err := http.ReadResponse(br, nil) //nolint:bodyclose // what follows is the WebSocket's, on nc
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(response.Status)
	}
	count := &counter{clients: c}
	var buf []byte
	for {
		opcode, payload, whole, err := readFrame(br, &buf)
		switch {
		case err != nil:
			return err
		case opcode == 9:
			if _, err := nc.Write(masked(0x8a, payload)); err != nil {
				return err
			}
		case opcode == 8:
			return fmt.Errorf("closed: %q", payload)
		case hasRows(payload):
			count.rows(whole)
		}
	}
}

// masked is a frame of a client, under a mask that changes nothing.
func masked(first byte, payload []byte) []byte {
	b := []byte{first}
	if n := len(payload); n < 126 {
		b = append(b, 0x80|byte(n))
	} else {
		b = append(b, 0x80|126, byte(n>>8), byte(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// readFrame reads a frame of the server. payload is valid until the next call; whole is what the frame had in all.
func readFrame(br *bufio.Reader, buf *[]byte) (opcode byte, payload []byte, whole int, err error) {
	var head [10]byte
	if _, err := io.ReadFull(br, head[:2]); err != nil {
		return 0, nil, 0, err
	}
	more := map[byte]int{126: 2, 127: 8}[head[1]]
	if _, err := io.ReadFull(br, head[2:2+more]); err != nil {
		return 0, nil, 0, err
	}
	n := int(head[1])
	if more > 0 {
		n = 0
		for _, b := range head[2 : 2+more] {
			n = n<<8 | int(b)
		}
	}
	if cap(*buf) < n {
		*buf = make([]byte, n)
	}
	payload = (*buf)[:n]
	_, err = io.ReadFull(br, payload)
	return head[0] & 0xf, payload, 2 + more + n, err
}

func (c *clients) eventStream(symbols []string) error {
	q := url.Values{"symbols": {strings.Join(symbols, ",")}, "channels": {"quote"}, "cadence_ms": {fmt.Sprint(c.cfg.CadenceMS)}}
	response, err := c.ask(http.MethodGet, "/v1/sse?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return (&counter{clients: c}).lines(response.Body)
}

func (c *clients) stream(symbols []string) error {
	response, err := c.ask(http.MethodPost, "/v1/stream", c.subscribe(symbols))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return (&counter{clients: c}).lines(response.Body)
}

func (c *clients) poll(symbols []string) error {
	count := &counter{clients: c}
	path, message := "/v1/poll", c.subscribe(symbols)
	for {
		response, err := c.ask(http.MethodPost, path, message)
		if err != nil {
			return err
		}
		err = count.lines(response.Body)
		_ = response.Body.Close()
		if !errors.Is(err, io.EOF) {
			return err
		}
		if message != nil {
			path, message = "/v1/poll/"+response.Header.Get("Feedd-Secret"), nil
		}
		path, _, _ = strings.Cut(path, "?")
		path += "?after=" + response.Header.Get("Feedd-Answer")
	}
}

// ask sends a request, and returns an answer that is not a refusal.
func (c *clients) ask(method, path string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(c.ctx, method, "http://"+c.cfg.Address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return nil, fmt.Errorf("%s: %s", response.Status, text)
	}
	return response, nil
}
