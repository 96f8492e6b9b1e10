package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// FuzzLine holds the hand-written parser against encoding/json: what it accepts is JSON, and every number
// that it read is the one that stands there.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		`1 {"stream":"btcusdt@bookTicker","data":{"u":9,"s":"BTCUSDT","b":"60123.63000000","B":"2.34566000","a":"60123.64","A":"1.5"}}`,
		`2 {"stream":"btcusdt@trade","data":{"e":"trade","E":5,"s":"BTCUSDT","t":77,"p":"0.10","q":"20","T":1003,"m":true,"M":true}}`,
		`3 {"stream":"btcusdt@depth@100ms","data":{"E":7,"s":"BTCUSDT","U":10,"u":12,"pu":9,"b":[["1.6","0.0"]],"a":[]}}`,
		`4 {"lastUpdateId":11,"bids":[["60123.63","3.7"],["1","2"]],"asks":[["60123.64","1.50000000"]]}`,
		`5 {"lastUpdateId":11,"E":16,"T":15,"bids":[],"asks":[],"x":{"y":[1,"\"",null]},"z":-1.5e3}`,
		`6 {"data":{"p":"1","q":"1","t":0,"T":0,"m":false,"s":"A","X":"MARKET"},"stream":"a@trade"}`,
		"7 ", "8 {}", "9  {\"stream\":\"\xff@trade\"}",
	} {
		f.Add([]byte(seed))
	}
	var l line
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := l.parse(text); err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		_, object, _ := bytes.Cut(text, []byte(" "))
		var frame map[string]any
		decoder := json.NewDecoder(bytes.NewReader(object))
		decoder.UseNumber()
		if err := decoder.Decode(&frame); err != nil {
			t.Fatalf("accepted what is not JSON: %v", err)
		}
		if !json.Valid(object) {
			t.Fatal("accepted what is not one JSON value")
		}
		if bytes.Count(object, []byte(`"data"`)) > 1 || hasTwins(object) {
			return // of members that come twice the two may take different ones
		}
		members := frame
		if data, ok := frame["data"].(map[string]any); ok {
			members = data
			for name, value := range frame {
				if name != "data" {
					members[name] = value
				}
			}
		}
		checkNumbers(t, &l, members)
	})
}

// hasTwins reports whether a member's name that is read comes more than once anywhere.
func hasTwins(object []byte) bool {
	for _, name := range fieldNames {
		if bytes.Count(object, fmt.Appendf(nil, "%q", name)) > 1 {
			return true
		}
	}
	return false
}

func checkNumbers(t *testing.T, l *line, members map[string]any) {
	t.Helper()
	for name, n := range map[string]number{"b": l.bid, "B": l.bidSize, "a": l.ask, "A": l.askSize, "p": l.price, "q": l.size} {
		if text, ok := members[name].(string); ok {
			same(t, name, n, text)
		}
	}
	for name, v := range map[string]int64{"t": l.tradeID, "E": l.eventTime, "T": l.tradeTime, "U": l.first, "u": l.last, "pu": l.previous, "lastUpdateId": l.last} {
		if _, both := members["lastUpdateId"]; both && name == "u" {
			continue
		}
		if text, ok := members[name].(json.Number); ok && text.String() != fmt.Sprint(v) {
			t.Errorf("%q is %d, want %s", name, v, text)
		}
	}
	for _, side := range []struct {
		names [2]string
		got   []rawLevel
	}{{[2]string{"b", "bids"}, l.bids}, {[2]string{"a", "asks"}, l.asks}} {
		short, isShort := members[side.names[0]].([]any)
		long, isLong := members[side.names[1]].([]any)
		if isShort == isLong {
			continue
		}
		want := append(short, long...)
		if len(want) != len(side.got) {
			t.Fatalf("%d levels, want %d", len(side.got), len(want))
		}
		for i := range want {
			pair := want[i].([]any)
			same(t, "price", side.got[i].price, pair[0].(string))
			same(t, "size", side.got[i].size, pair[1].(string))
		}
	}
}

func same(t *testing.T, name string, n number, text string) {
	t.Helper()
	want, ok := new(big.Rat).SetString("0" + text + "0") // "5." and ".5" are fine here
	if strings.HasSuffix("0"+text, ".") || !strings.Contains(text, ".") {
		want, ok = new(big.Rat).SetString("0" + strings.TrimSuffix(text, "."))
	}
	if !ok {
		t.Fatalf("%s: accepted %q", name, text)
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n.decimals)), nil)
	if got := new(big.Rat).SetFrac(big.NewInt(n.value), scale); got.Cmp(want) != 0 {
		t.Errorf("%s: %q was read as %v", name, text, n)
	}
	if n.decimals > 0 && n.value%10 == 0 {
		t.Errorf("%s: %q keeps a trailing zero: %v", name, text, n)
	}
}

func TestParsingALineAllocatesNothing(t *testing.T) {
	texts := [][]byte{
		[]byte(`1 {"stream":"btcusdt@bookTicker","data":{"u":9,"s":"BTCUSDT","b":"60123.63000000","B":"2.34566000","a":"60123.64","A":"1.5"}}`),
		[]byte(`2 {"stream":"btcusdt@trade","data":{"e":"trade","E":5,"s":"BTCUSDT","t":77,"p":"0.10","q":"20","T":1003,"m":true,"M":true}}`),
		[]byte(`3 {"stream":"btcusdt@depth@100ms","data":{"E":7,"s":"BTCUSDT","U":10,"u":12,"pu":9,"b":[["1.6","0.0"]],"a":[]}}`),
	}
	var l line
	for _, text := range texts {
		if n := testing.AllocsPerRun(100, func() {
			if err := l.parse(text); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations for %s", n, text)
		}
	}
}
