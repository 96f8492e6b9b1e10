package probe

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

func message(t rapid.TB, subject string, stamp int64) []byte {
	b, err := proto.Marshal(&marketdatav1.TickBatch{Quotes: []*marketdatav1.Quote{{BidSize: stamp - 5}, {BidSize: stamp}}})
	if err != nil {
		t.Fatal(err)
	}
	return append(fmt.Appendf(nil, "MSG %s 1 %d\r\n%s", subject, len(b), b), "\r\n"...)
}

func TestSubscriberReadsMessagesFromAnyCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := NewRecord()
		s := NewSubscriber(rec, []string{"bench:A", "bench:B"})
		hello := string(SubscriberHello([]string{"bench:A", "bench:B"}))
		for _, want := range []string{"CONNECT {", "SUB md.bench.A.quote ", "SUB md.bench.B.quote ", " 1\r\n", " 2\r\n"} {
			if !strings.Contains(hello, want) {
				t.Fatalf("says %q without %q", hello, want)
			}
		}
		stream := []byte("INFO {\"server_id\":\"X\"}\r\n")
		stream = append(stream, message(t, "md.bench.A.quote", cut)...)
		stream = append(stream, "PING\r\n"...)
		stream = append(stream, message(t, "md.bench.A.quote", cut+100)...)
		stream = append(stream, message(t, "md.bench.B.quote", cut+200)...)
		var answers []byte
		for size := rapid.IntRange(1, 200); len(stream) > 0; {
			if s.Complete() {
				t.Fatal("complete ahead of the last message")
			}
			n := min(size.Draw(t, "read"), len(stream))
			answers = append(answers, s.Take(cut+300, stream[:n])...)
			stream = stream[n:]
		}
		f := rec.Take()
		if !s.Complete() || f.Problems != 0 || f.Frames != 3 || f.Rows != 6 || f.Delay.Count != 3 || f.Delay.Max != 300 || f.Delay.P50 != 200 {
			t.Fatalf("recorded %+v", f)
		}
		if !bytes.Equal(answers, []byte("PONG\r\n")) {
			t.Fatalf("answers %q", answers)
		}
	})
}

func TestSubscriberCatchesWhatItDidNotAskFor(t *testing.T) {
	for _, bytes := range []string{
		"-ERR 'Authorization Violation'\r\n", "MSG md.bench.A.quote 1 many\r\n",
		"MSG md.bench.A.quote 1 1\r\n\xff\r\n", string(message(t, "md.bench.C.quote", cut)),
	} {
		rec := NewRecord()
		NewSubscriber(rec, []string{"bench:A"}).Take(cut, []byte(bytes))
		if rec.Take().Problems != 1 {
			t.Errorf("%q went unnoticed", bytes)
		}
	}
}
