package tick

import "google.golang.org/protobuf/encoding/protowire"

// Batches returns the elements of a marketdata.v1.Snapshot, each of which is a TickBatch, or false where p
// is no Snapshot or an empty one: other parties may answer a request too: a stream that records it does so in JSON.
func Batches(p []byte) ([][]byte, bool) {
	var batches [][]byte
	for len(p) > 0 {
		num, typ, n := field(p)
		if n == 0 {
			return nil, false
		}
		p = p[n:]
		if n = skip(num, typ, p); n == 0 {
			return nil, false
		}
		if num == 1 && typ == protowire.BytesType {
			body, _ := protowire.ConsumeBytes(p)
			batches = append(batches, body)
		}
		p = p[n:]
	}
	return batches, len(batches) > 0
}
