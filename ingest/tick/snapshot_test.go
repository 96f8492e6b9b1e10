package tick

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// Whatever answers a request for a state: it is no snapshot, or one whose parts are those that the official code finds, and reading
// them breaks nothing.
func FuzzBatches(f *testing.F) {
	whole, err := proto.Marshal(&marketdatav1.Snapshot{Batches: []*marketdatav1.TickBatch{
		{Epoch: 3, Sequence: 1, Definitions: []*marketdatav1.Definition{{PriceScale: 2}}},
		{Epoch: 3, Sequence: 9, Quotes: []*marketdatav1.Quote{{Bid: proto.Int64(5)}, {Bid: proto.Int64(6)}}}, {},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte(`{"stream":"MD","seq":17}`))
	f.Add([]byte("\x0a\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		parts, ok := Batches(payload)
		var want marketdatav1.Snapshot
		if err := proto.Unmarshal(payload, &want); err == nil && (ok != (len(want.Batches) > 0) || len(parts) != len(want.Batches)) {
			t.Fatalf("%d parts, want %d", len(parts), len(want.Batches))
		}
		for i, part := range parts {
			var b Batch
			if err := b.ReadProtobuf(bytes.Clone(part)); err == nil && len(want.Batches) == len(parts) && b.Epoch != want.Batches[i].Epoch {
				t.Fatalf("part %d is of epoch %d, want %d", i, b.Epoch, want.Batches[i].Epoch)
			}
		}
	})
}
