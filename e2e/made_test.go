package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/feedd/feedd/market"
)

// maker writes a recording: a little market with bursts, seeded.
type maker struct {
	w          io.Writer
	random     *rand.Rand
	now        int64 // ns
	price      int64
	trade      int64
	update     int64 // of the book
	bids, asks map[int64]int64
}

// writeRecording makes a recording of the form of the real ones. Its book begins with an image, which holds some of the
// changes ahead of it and not others.
func writeRecording(t *testing.T, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made_spot_btcusdt.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	m := &maker{
		w: z, random: rand.New(rand.NewPCG(1, 2)), now: 1700000000123456789, price: 6183763, trade: 3_700_000_000, update: 5000,
		bids: map[int64]int64{}, asks: map[int64]int64{},
	}
	for d := range int64(300) {
		m.bids[m.price-10*d], m.asks[m.price+1+10*d] = 1+m.random.Int64N(1e6), 1+m.random.Int64N(1e6)
	}
	for i := range rows {
		m.row(i)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func (m *maker) row(i int) {
	if m.random.IntN(2) == 0 {
		m.now += m.random.Int64N(20_000_000)
	}
	m.price += m.random.Int64N(7) - 3
	switch {
	case i == 40:
		m.image()
		m.depth(false) // not in the image, though it comes behind a change that is
	case i%4 == 3:
		m.trade++
		fmt.Fprintf(m.w, `%d {"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"%s000000","q":"%s000","T":%d,"m":%v}}`+"\n",
			m.now, m.now/1e6, m.trade, dec(m.price, 2), dec(1+m.random.Int64N(1e6), 5), m.now/1e6, m.random.IntN(2) == 0)
	case i%8 == 1:
		m.depth(true)
	default:
		fmt.Fprintf(m.w, `%d {"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT","b":"%s000000","B":"%s000","a":"%s000000","A":"%s000"}}`+"\n",
			m.now, i, dec(m.price, 2), dec(1+m.random.Int64N(1e6), 5), dec(m.price+1, 2), dec(1+m.random.Int64N(1e6), 5))
	}
}

func dec(v int64, scale uint8) string { return string(market.AppendDecimal(nil, v, scale)) }

// image writes the book as it stands.
func (m *maker) image() {
	side := func(levels map[int64]int64, reverse bool) string {
		prices := slices.Sorted(maps.Keys(levels))
		if reverse {
			slices.Reverse(prices)
		}
		var text []string
		for _, p := range prices {
			text = append(text, fmt.Sprintf(`["%s000000","%s000"]`, dec(p, 2), dec(levels[p], 5)))
		}
		return strings.Join(text, ",")
	}
	fmt.Fprintf(m.w, `%d {"lastUpdateId":%d,"bids":[%s],"asks":[%s]}`+"\n", m.now, m.update, side(m.bids, true), side(m.asks, false))
}

// depth writes a change of a few levels, which never cross the price that it was when the market began.
func (m *maker) depth(move bool) {
	change := func(levels map[int64]int64, away int64) string {
		var text []string
		for range 1 + m.random.IntN(6) {
			price, size := int64(6183763), int64(0)
			if depth := m.random.Int64N(3000); away > 0 {
				price += 1 + depth
			} else {
				price -= depth
			}
			if m.random.IntN(4) != 0 {
				size = 1 + m.random.Int64N(1e6)
			}
			if levels[price] = size; size == 0 {
				delete(levels, price)
			}
			text = append(text, fmt.Sprintf(`["%s000000","%s000"]`, dec(price, 2), dec(size, 5)))
		}
		return strings.Join(text, ",")
	}
	first := m.update + 1
	m.update += 1 + m.random.Int64N(5)
	if !move { // the image may hold the beginning of a change
		first -= 2
	}
	fmt.Fprintf(m.w, `%d {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":%d,"s":"BTCUSDT","U":%d,"u":%d,"b":[%s],"a":[%s]}}`+"\n",
		m.now, m.now/1e6, first, m.update, change(m.bids, -1), change(m.asks, 1))
}
