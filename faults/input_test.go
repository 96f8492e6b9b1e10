package faults

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/outbox/tlstest"
	"github.com/feedd/feedd/internal/rig"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/transport/ws/wstest"
)

// inputRows are those of what no client should send.
var inputRows = []row{
	{
		number: 21, fault: "malformed, unknown and truncated requests",
		expected: "an error or a close code, no panic, no leak",
		run:      malformedRequests, short: true, held: []string{"session.FuzzReceive"},
	},
	{
		number: 22, fault: "a frame whose length has its top bit set",
		expected: "that connection ends with 1002, others go on",
		run:      topBit, short: true, held: []string{"transport/ws.TestFramesFromClients"},
	},
	{
		number: 23, fault: "oversize frames, and frames that are declared and never come",
		expected: "1009, or the deadline; memory is bounded",
		run:      oversizeFrames,
	},
	{
		number: 24, fault: "a deflate bomb",
		expected: "stopped at the limit, 1009",
		run:      deflateBomb, short: true, held: []string{"transport/ws.TestFramesFromClients"},
	},
	{
		number: 25, fault: "invalid UTF-8, reserved bits, floods of fragments and pings",
		expected: "the right close code, processor time is bounded",
		run:      brokenFrames, short: true, held: []string{"transport/ws.TestFramesFromClients", "transport/ws.TestConformance", "internal/guard.TestFloods"},
	},
	{
		number: 26, fault: "handshakes that never end",
		expected: "cut within 5 s, descriptors are free again",
		run:      endlessHandshakes, held: []string{"transport/ws.TestSilentStrangersKeepNobodyOut"},
	},
	{
		number: 27, fault: "floods of subscriptions and of symbols",
		expected: "refused with a reason; maps are bounded, and what is unsubscribed is freed",
		run:      subscribeFlood, short: true,
	},
}

// few is a market that is small, so that what is measured is the input.
const few = 3

// malformedRequests sends what is nearly a request, over and over, on connections that are made anew whenever the server has
// had enough.
func malformedRequests(r *trial) {
	n := newNode(r, few)
	valid := validRequests(r, n.market.Symbols)
	const workers = 8
	count := pick(r, 400, 40_000) / workers
	var (
		mu    sync.Mutex
		codes = make(map[uint16]int)
		wg    sync.WaitGroup
	)
	began := time.Now()
	for range workers {
		seed := r.random.Uint64()
		wg.Go(func() {
			messages := newMangler(seed, valid)
			for sent := 0; sent < count; {
				n, code, err := pour(n.address(), messages, min(count-sent, 100))
				if err != nil {
					r.Error(err)
					return
				}
				sent += n
				mu.Lock()
				codes[code]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	r.figure("requests", float64(workers*count), "")
	r.figure("took", time.Since(began).Seconds(), "s")
	odd := 0
	for code := range codes {
		switch code {
		case 0, 4500, 4501, 4502: // 0: it was good enough to the end
		default:
			odd += codes[code]
			r.Errorf("%d connections were closed with %d", codes[code], code)
		}
	}
	r.figure("closed for another reason than the request", float64(odd), "")
	n.ends()
}

// pour sends messages on one connection until the server closes it, or all are sent, and returns how many that were, and the code.
func pour(address string, messages *mangler, count int) (sent int, code uint16, err error) {
	conn, err := dialRaw(address, 0)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = conn.Close() }()
	closed := make(chan uint16, 1)
	go func() { closed <- closeCode(conn) }()
	if _, err := conn.Write(handshake(address)); err != nil {
		return 0, 0, err
	}
	for sent < count {
		if _, err := conn.Write(encode(messages.next())); err != nil {
			break // the server has closed
		}
		sent++
	}
	_, _ = conn.Write(wstest.EncodeClose(1000, ""))
	if code = <-closed; code == 1000 {
		code = 0
	}
	return max(sent, 1), code, nil
}

func topBit(r *trial) {
	n := newNode(r, few)
	count := pick(r, 20, 500)
	for i := range count {
		frame := append([]byte{0x82, 0xff}, binary.BigEndian.AppendUint64(nil, 1<<63|uint64(i))...)
		if code := closeCode(rawClient(r, n.address(), 0, append(frame, 1, 2, 3, 4))); code != 1002 {
			r.Fatalf("closed with %d, want 1002", code)
		}
	}
	r.figure("frames", float64(count), "")
	r.figure("other clients disconnected", float64(len(n.viewer.Ends())), "")
	n.ends()
}

func oversizeFrames(r *trial) {
	n := newNode(r, few)
	for range 50 {
		if code := closeCode(rawClient(r, n.address(), 0, encode(make([]byte, 16<<10+1)))); code != 1009 {
			r.Fatalf("closed with %d, want 1009", code)
		}
	}
	const count = 1000
	declared := append([]byte{0x82, 0xfe}, binary.BigEndian.AppendUint16(nil, 16<<10)...)
	memory := n.feedd.Footing().Heap
	var all []net.Conn
	for range count {
		all = append(all, rawClient(r, n.address(), 0, append(declared, 1, 2, 3, 4, 5)))
	}
	began := time.Now()
	rig.Eventually(r, "the connections", func() bool { return n.feedd.Number("feedd_connections") >= count })
	r.figure("declared and stalled", count, "")
	r.figure("heap for each", max(0, n.feedd.Footing().Heap-memory)/count/1024, "KiB")
	for _, conn := range all {
		untilClosed(conn)
	}
	r.duration("all closed", time.Since(began))
	n.ends()
}

func deflateBomb(r *trial) {
	n := newNode(r, few)
	memory, most := n.feedd.Resident(), 0.0
	bomb := wstest.Encode(0xc2, wstest.Deflate(make([]byte, 15<<20)))
	count := pick(r, 5, 200)
	for range count {
		c := wstest.Dial(r, n.address(), wstest.Request{Subprotocols: client.SubprotocolProto, Extensions: "permessage-deflate", Behind: bomb})
		if code, _ := c.ReadClose(); code != 1009 {
			r.Fatalf("closed with %d, want 1009", code)
		}
		most = max(most, n.feedd.Resident()-memory)
	}
	r.figure("bombs of 15 MB", float64(count), "")
	r.figure("resident memory, more by at most", most/1e6, "MB")
	n.ends()
}

func brokenFrames(r *trial) {
	n := newNode(r, few)
	offer := "permessage-deflate"
	began, used := time.Now(), n.feedd.Used()
	frames, rounds := 0, pick(r, 2, 100)
	for range rounds {
		for _, c := range []struct {
			name, protocol, extensions string
			in                         []byte
			frames                     int
			code                       uint16
		}{
			{"text where messages are binary", client.SubprotocolProto, "", wstest.Encode(0x81, []byte("{}")), 1, 1003},
			{"text that is not UTF-8", client.SubprotocolJSON, "", wstest.Encode(0x81, []byte("\xc3\x28")), 1, 1007},
			{"the second reserved bit", client.SubprotocolProto, offer, wstest.Encode(0xa2, nil), 1, 1002},
			{"the first reserved bit on a ping", client.SubprotocolProto, offer, wstest.Encode(0xc9, nil), 1, 1002},
			{"a reserved opcode", client.SubprotocolProto, "", wstest.Encode(0x83, nil), 1, 1002},
			{"a ping of 126 bytes", client.SubprotocolProto, "", wstest.Encode(0x89, make([]byte, 126)), 1, 1002},
			{"a frame without a mask", client.SubprotocolProto, "", []byte{0x82, 1, 0}, 1, 1002},
			{"fragments of one byte", client.SubprotocolProto, "", append(wstest.Encode(0x02, []byte("x")), flood(0x00, []byte("x"), 2000)...), 2001, 4501},
			{"pings", client.SubprotocolProto, "", flood(0x89, nil, 2000), 2000, 4501},
		} {
			frames += c.frames
			got := wstest.Dial(r, n.address(), wstest.Request{Subprotocols: c.protocol, Extensions: c.extensions, Behind: c.in})
			if code := closeCodeOf(got); code != c.code {
				r.Errorf("%s: closed with %d, want %d", c.name, code, c.code)
			}
		}
	}
	r.figure("frames", float64(frames), "")
	r.figure("processor, in all", (n.feedd.Used() - used).Seconds(), "s")
	r.figure("took", time.Since(began).Seconds(), "s")
	n.ends()
}

func flood(first byte, payload []byte, n int) (b []byte) {
	one := wstest.Encode(first, payload)
	for range n {
		b = append(b, one...)
	}
	return b
}

// closeCodeOf reads up to the close frame; what the server sends before, pongs, is passed over.
func closeCodeOf(c *wstest.Client) uint16 {
	for {
		f, err := c.Next()
		if err != nil {
			return 0
		}
		if f.First == 0x88 && len(f.Payload) >= 2 {
			return binary.BigEndian.Uint16(f.Payload)
		}
	}
}

// endlessHandshakes begins a thousand of each kind and never ends one.
func endlessHandshakes(r *trial) {
	dir := r.TempDir()
	cert, key := tlstest.PEM(r, time.Now().Add(time.Hour))
	for name, b := range map[string][]byte{"tls.crt": cert, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			r.Fatal(err)
		}
	}
	n := newNode(r, few)
	secure := n.serve("--tls-cert", filepath.Join(dir, "tls.crt"), "--tls-key", filepath.Join(dir, "tls.key"))
	footing := secure.Footing()
	const count = 1000
	half := handshake("x")
	for _, c := range []struct {
		name    string
		node    *rig.Process
		address string
		in      []byte
	}{
		{"half a request", n.feedd, n.address(), half[:len(half)-20]},
		{"half a TLS hello", secure, (&node{r: r, feedd: secure}).address(), []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
	} {
		before := c.node.Footing()
		var all []net.Conn
		began := time.Now()
		for range count {
			conn, err := dialRaw(c.address, 0)
			if err == nil {
				_, err = conn.Write(c.in)
			}
			if err != nil {
				r.Fatal(err)
			}
			all = append(all, conn)
		}
		last := time.Now()
		r.figure(c.name+": descriptors at most", c.node.Number("process_open_fds")-float64(before.Descriptors), "more")
		for _, conn := range all {
			untilClosed(conn)
			_ = conn.Close()
		}
		r.duration("the last one cut after", time.Since(last))
		r.duration("all of them", time.Since(began))
		c.node.Settles(r, before)
	}
	secure.Settles(r, footing)
	n.ends()
}

// subscribeFlood asks for a million symbols that there are not, faster than one may, and then subscribes and unsubscribes over
// and over.
func subscribeFlood(r *trial) {
	n := newNode(r, few)
	names := make([]string, 300) // as many as fit a message
	for i := range names {
		names[i] = fmt.Sprintf("flood:%s%d", strings.Repeat("X", 30), i)
	}
	request, err := proto.Marshal(&feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{Symbols: names, Channels: []string{"quote"}}}})
	if err != nil {
		r.Fatal(err)
	}
	asked, want := 0, pick(r, 10_000, 1_000_000)
	codes := make(map[uint16]int)
	for asked < want {
		conn := rawClient(r, n.address(), 0, nil)
		closed := make(chan uint16, 1)
		go func() { closed <- closeCode(conn) }()
		for asked < want {
			if _, err := conn.Write(encode(request)); err != nil {
				break
			}
			asked += len(names)
		}
		_, _ = conn.Write(wstest.EncodeClose(1000, ""))
		codes[<-closed]++
	}
	r.figure("unknown symbols asked for", float64(asked), "")
	r.figure("requests refused", float64(n.feedd.Dropped("refused_request")), "")
	for code := range codes {
		if code != 1000 && code != 4501 {
			r.Errorf("%d connections were closed with %d", codes[code], code)
		}
	}
	n.churn(pick(r, 50, 500))
	n.ends()
}

// churn subscribes and unsubscribes on one connection, as fast as one may.
func (n *node) churn(times int) {
	n.r.Helper()
	ctx := rig.Deadline(n.r)
	c, err := client.Dial(ctx, n.feedd.WebSocket(), client.Options{})
	if err != nil {
		n.r.Fatal(err)
	}
	defer c.Close()
	turn := func() {
		answer, err := c.Subscribe(ctx, &feedv1.Subscribe{Symbols: n.market.Symbols, Channels: []string{"quote", "trade", "book"}, CadenceMs: proto.Uint32(20)})
		if err != nil || len(answer.Results) != 3*len(n.market.Symbols) {
			n.r.Fatalf("subscribe: %v, %v", answer, err)
		}
		if err := c.Unsubscribe(ctx); err != nil {
			n.r.Fatal(err)
		}
		const perSecond = 50 // requests, of which a turn has two
		time.Sleep(2 * time.Second / perSecond)
	}
	turn()
	before := n.feedd.Footing()
	for range times {
		turn()
	}
	after := n.feedd.Footing()
	n.r.figure("subscribed and unsubscribed", float64(times), "times")
	n.r.figure("left of it", float64(after.Goroutines-before.Goroutines), "goroutines")
	n.r.figure("heap, more by", (after.Heap-before.Heap)/1e3, "KB")
}

// closeCode reads what a server says until the connection ends, and returns the code that it was closed with; 0: none.
func closeCode(conn net.Conn) (code uint16) {
	frames := answered(conn)
	if frames == nil {
		return 0
	}
	for {
		f, err := wstest.Decode(frames)
		if err != nil {
			return code
		}
		if f.First == 0x88 && len(f.Payload) >= 2 {
			code = binary.BigEndian.Uint16(f.Payload)
			_, _ = io.Copy(io.Discard, conn)
			return code
		}
	}
}
