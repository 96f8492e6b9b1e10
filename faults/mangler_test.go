package faults

import (
	"bufio"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"

	"google.golang.org/protobuf/proto"

	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// mangler makes messages out of good ones: cut short, with bits turned, repeated, mixed, or nothing but noise.
type mangler struct {
	random *rand.Rand
	valid  [][]byte
}

func newMangler(seed uint64, valid [][]byte) *mangler {
	return &mangler{rand.New(rand.NewPCG(seed, 3)), valid}
}

func (m *mangler) next() []byte {
	b := slices.Clone(m.valid[m.random.IntN(len(m.valid))])
	switch m.random.IntN(6) {
	case 0: // as it is
	case 1:
		b = b[:m.random.IntN(len(b)+1)]
	case 2:
		for range 1 + m.random.IntN(4) {
			if len(b) > 0 {
				b[m.random.IntN(len(b))] ^= 1 << m.random.IntN(8)
			}
		}
	case 3:
		for range 1 + m.random.IntN(5) {
			b = append(b, b[:min(len(b), 500)]...)
		}
	case 4:
		b = append(b, m.valid[m.random.IntN(len(m.valid))]...)
	case 5:
		b = make([]byte, m.random.IntN(2000))
		for i := range b {
			b[i] = byte(m.random.Uint32())
		}
	}
	return b[:min(len(b), 16<<10)]
}

// validRequests are one of each kind.
func validRequests(r *trial, symbols []string) (all [][]byte) {
	r.Helper()
	for _, f := range []*feedv1.ClientFrame{
		{Id: 1, Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{Client: "mangler", Token: "none"}}},
		{Id: 2, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{
			Symbols: append([]string{"*:*", "crash:*", "@nobody"}, symbols...), Channels: []string{"quote", "trade", "book", "bar", "stats", "status"},
			CadenceMs: proto.Uint32(100), Depth: 10, PriceGroup: 50, History: proto.Uint32(100),
			Resume: []*feedv1.Resume{{Symbol: symbols[0], Channel: "trade", Epoch: 1, Sequence: 2}},
		}}},
		{Id: 3, Request: &feedv1.ClientFrame_Unsubscribe{Unsubscribe: &feedv1.Unsubscribe{Handles: []uint32{1, 2, 3, 1 << 31}}}},
		{Id: 4, Request: &feedv1.ClientFrame_SetRate{SetRate: &feedv1.SetRate{Visibility: feedv1.Visibility_VISIBILITY_HIDDEN}}},
		{Id: 5, Request: &feedv1.ClientFrame_Ping{Ping: &feedv1.Ping{ClientTimeUs: 1}}},
	} {
		b, err := proto.Marshal(f)
		if err != nil {
			r.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// answered reads the answer to a handshake and returns what follows it; nil: it was refused.
func answered(conn net.Conn) *bufio.Reader {
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil
	}
	return in
}
