package book

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
)

func TestAStoredBookComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b, again Book
		for range rapid.IntRange(0, 5).Draw(t, "events") {
			e := events().Draw(t, "event")
			e.Position = market.Position{Epoch: market.Epoch(rapid.Uint64().Draw(t, "epoch")), Sequence: market.Sequence(rapid.Uint64().Draw(t, "sequence"))}
			e.ExchangeTime, e.IngestTime = rapid.Int64().Draw(t, "exchange"), rapid.Int64().Draw(t, "ingest")
			b.Apply(&e)
		}
		stored := b.AppendTo([]byte("ahead"))
		if string(stored[:5]) != "ahead" {
			t.Fatal("AppendTo does not append")
		}
		if err := again.ReadFrom(stored[5:]); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(all(&b, Bids), all(&again, Bids)) || !slices.Equal(all(&b, Asks), all(&again, Asks)) ||
			b.position != again.position || b.exchangeTime != again.exchangeTime || b.ingestTime != again.ingestTime {
			t.Fatalf("%+v came back as %+v", b, again)
		}
		if again.Ticks() != 1 {
			t.Fatalf("%d ticks after reading", again.Ticks())
		}
		var c Changes
		if again.Changes(&c, 0, 1) || !again.Changes(&c, 1, 1) {
			t.Fatal("what led to a stored book is not known")
		}
	})
}

func TestADamagedBookIsRefused(t *testing.T) {
	var b Book
	b.Apply(&market.BookEvent{Bids: []market.Level{{Price: 10, Size: 1}, {Price: 9, Size: 2}}, Asks: []market.Level{{Price: 11, Size: 300}}})
	good := b.AppendTo(nil)
	numbers := func(head []byte, n ...uint64) []byte {
		for _, v := range n {
			head = binary.AppendUvarint(head, v)
		}
		return head
	}
	for name, c := range map[string]struct {
		src  []byte
		want string
	}{
		"nothing":                 {nil, "too early"},
		"a byte short":            {good[:len(good)-1], "too early"},
		"a byte more":             {append(slices.Clone(good), 0), "1 bytes behind"},
		"too long a number":       {slices.Repeat([]byte{0xff}, 11), "64 bits"},
		"too many levels":         {numbers(nil, 1, 1, 0, 0, market.MaxLevels+1), "10001 levels"},
		"more levels than bytes":  {numbers(nil, 1, 1, 0, 0, 5000, 2, 1), "too early"},
		"a level twice":           {numbers(nil, 1, 1, 0, 0, 2, 2, 1, 0, 1, 0), "0 steps"},
		"a level below the range": {numbers(nil, 1, 1, 0, 0, 2, 1<<64-1, 1, 1, 1, 0), "1 steps"},
		"a level without size":    {numbers(nil, 1, 1, 0, 0, 1, 2, 0, 0), "size 0"},
		"a size below zero":       {numbers(nil, 1, 1, 0, 0, 1, 2, 1<<63, 0), "size 9223372036854775808"},
	} {
		if err := b.ReadFrom(c.src); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want something with %q", name, err, c.want)
		}
		if again := b.AppendTo(nil); !slices.Equal(again, good) {
			t.Fatalf("%s: a book that was refused changed the one that was there", name)
		}
	}
}

func FuzzReadFrom(f *testing.F) {
	var b Book
	f.Add(b.AppendTo(nil))
	b.Apply(&market.BookEvent{Bids: []market.Level{{Price: 10, Size: 1}, {Price: 9, Size: 2}}, Asks: []market.Level{{Price: -11, Size: 1 << 50}}})
	f.Add(b.AppendTo(nil))
	f.Fuzz(func(t *testing.T, src []byte) {
		var b, again Book
		if b.ReadFrom(src) != nil {
			return
		}
		for _, s := range []Side{Bids, Asks} {
			levels := all(&b, s)
			for i, l := range levels {
				if l.Size <= 0 || i > 0 && s.key(levels[i-1].Price) <= s.key(l.Price) {
					t.Fatalf("side %d: %v", s, levels)
				}
			}
		}
		if err := again.ReadFrom(b.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
		b.Apply(&market.BookEvent{Bids: []market.Level{{Price: 1, Size: 1}}})
	})
}
