package skim

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client/quoterow"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

func binary(t *testing.T, m *feedv1.ServerFrame) Frame {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var f Frame
	if err := f.Binary(b); err != nil {
		t.Fatal(err)
	}
	return f
}

func text(t *testing.T, m *feedv1.ServerFrame) Frame {
	t.Helper()
	b, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer // protojson puts spaces where it likes
	if err := json.Compact(&compact, b); err != nil {
		t.Fatal(err)
	}
	var f Frame
	if err := f.Text(compact.Bytes()); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestBinaryTellsFullRows(t *testing.T) {
	f := binary(t, &feedv1.ServerFrame{
		CutTimeUs: 1_700_000_000_000_000,
		Quotes:    quoterow.Numbers(quoterow.Row{Handle: 3, Bid: -5, Sequence: 9, Epoch: 1}, quoterow.Row{Handle: 1000, Spread: 1}),
		Books: []*feedv1.Book{
			{Handle: 7, Bids: []int64{1, 2}, Sequence: 4, Partial: true}, {Handle: 7, Bids: []int64{1, 2}, Sequence: 4}, {Handle: 8, Asks: []int64{1, 0}},
		},
		Grants:     []*feedv1.Grant{{Handles: []uint32{3}}, {Handles: []uint32{7}}},
		Subscribed: &feedv1.Subscribed{Results: []*feedv1.SubscribeResult{{Symbol: "a:B", Handle: 3}}},
		Heartbeat:  &feedv1.Heartbeat{},
	})
	if !slices.Equal(f.Full, []uint32{3, 7}) || f.Cut != 1_700_000_000_000_000 || f.Grants != 2 || f.Refused {
		t.Errorf("%+v", f)
	}
}

func TestRefusalsShow(t *testing.T) {
	for _, m := range []*feedv1.ServerFrame{
		{Error: &feedv1.Error{Code: feedv1.ErrorCode_ERROR_CODE_MALFORMED}},
		{Subscribed: &feedv1.Subscribed{Results: []*feedv1.SubscribeResult{{Symbol: "a:B", Handle: 3}, {Symbol: "a:C", Code: feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL}}}},
	} {
		if !binary(t, m).Refused || !text(t, m).Refused {
			t.Errorf("%v is no refusal", m)
		}
	}
}

func TestTextTellsRowsBySymbol(t *testing.T) {
	m := &feedv1.ServerFrame{
		CutTimeUs:  1_700_000_000_000_000,
		QuoteTexts: []*feedv1.QuoteText{{Symbol: "a:B", Bid: "1"}, {Symbol: "a:C"}},
		Grants:     []*feedv1.Grant{{Handles: []uint32{3}}},
	}
	f := text(t, m)
	if len(f.Full) != 2 || f.Full[0] == f.Full[1] || f.Cut != 1_700_000_000_000_000 || f.Grants != 1 || f.Refused {
		t.Errorf("%+v", f)
	}
	if again := text(t, m); !slices.Equal(f.Full, again.Full) {
		t.Errorf("keys differ: %v, %v", f.Full, again.Full)
	}
	var g Frame
	const books = `{"bookTexts":[{"symbol":"a:B","snapshot":true,"bids":[{"price":"1","size":"2"}]},{"symbol":"a:C","bids":[]}],"cutTimeUs":"5"}`
	if err := g.Text([]byte(books)); err != nil || len(g.Full) != 1 || g.Cut != 5 {
		t.Errorf("%+v, error %v", g, err)
	}
}

func TestBrokenFramesAreErrors(t *testing.T) {
	var f Frame
	for _, b := range [][]byte{{0x80}, {0x0a, 5, 1}, {0x3f}} {
		if f.Binary(b) == nil {
			t.Errorf("% x was read as %+v", b, f)
		}
	}
	if f.Text([]byte("oops")) == nil || f.Text(nil) == nil {
		t.Error("text that is no object was read")
	}
}

func TestSkimmingAllocatesNothing(t *testing.T) {
	m := &feedv1.ServerFrame{CutTimeUs: 5}
	for h := range uint32(100) {
		m.Quotes = quoterow.Append(m.Quotes, quoterow.Row{Handle: 1000 + h, Bid: 5_000_000, BidSize: 100, Spread: 1, AskSize: 7, Sequence: 100, Epoch: 1})
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var f Frame
	_ = f.Binary(b)
	if n := testing.AllocsPerRun(100, func() { _ = f.Binary(b) }); n != 0 || len(f.Full) != 100 {
		t.Errorf("%g allocations, %d rows", n, len(f.Full))
	}
}
