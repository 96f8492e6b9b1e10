package stream

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

func TestPositions(t *testing.T) {
	var p positions
	for _, step := range []struct {
		batch string
		id    string // "": none
	}{
		{"data: {\"quoteTexts\":[]}\n\n", ""},
		{"data: {\"tradeTexts\":[{\"symbol\":\"x:A\",\"sequence\":\"3\"}]}\n\n", ""}, // not numbered by its publisher
		{"data: {\"tradeTexts\":[{\"symbol\":\"x:A\",\"sequence\":\"3\",\"epoch\":\"2\"},{\"symbol\":\"x:B=@1\",\"sequence\":\"9\",\"epoch\":\"1\"}]}\n\n", "@1 x:B=@1=9 @2 x:A=3"},
		{"data: {}\n\ndata: {\"tradeTexts\":[{\"symbol\":\"x:A\",\"sequence\":\"2\",\"epoch\":\"2\"}]}\n\n", "@1 x:B=@1=9 @2 x:A=3"}, // never back
		{"data: {\"tradeTexts\":[{\"symbol\":\"x:A\",\"sequence\":\"1\",\"epoch\":\"3\"}]}\n\n", "@1 x:B=@1=9 @3 x:A=1"},
	} {
		if moved := p.follow([]byte(step.batch)); moved != (step.id != "") {
			t.Errorf("%q: moved %t", step.batch, moved)
		}
		if step.id == "" {
			continue
		}
		got := string(p.appendID(nil))
		if got != "id: "+step.id+"\n\n" {
			t.Errorf("%q: id %q", step.batch, got)
		}
		if at, _, err := parseID(step.id); err != nil || !maps.Equal(at, p.at) {
			t.Errorf("%q reads %v %v, want %v", step.id, at, err, p.at)
		}
	}
}

func TestAnIDIsBounded(t *testing.T) {
	var p positions
	for n := range 2000 {
		p.note(fmt.Sprintf("x:SYMBOL%d", n), position{1795888408311717, uint64(n + 1)})
	}
	id := strings.TrimSuffix(strings.TrimPrefix(string(p.appendID(nil)), "id: "), "\n\n")
	at, left, err := parseID(id)
	if len(id) > maxID || err != nil || len(at)+left != 2000 || len(at) < 100 {
		t.Errorf("%d bytes, %d symbols in it and %d left out, %v", len(id), len(at), left, err)
	}
}

func FuzzLastEventID(f *testing.F) {
	for _, id := range []string{"", "@7 x:A=1", "@7 x:A=1 +3", "@0", "=1", "@1 =", "+", "@1 x:A=99999999999999999999", "@1 x:\u65e5=1"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		at, left, err := parseID(id)
		if err != nil || left != 0 {
			return
		}
		p := positions{at: at}
		text := strings.TrimSpace(strings.TrimPrefix(string(p.appendID(nil)), "id:"))
		back, left, err := parseID(text)
		if err != nil || len(back)+left != len(at) {
			t.Fatalf("%q was read, %q not: %v", id, text, err)
		}
		for symbol, was := range back {
			if at[symbol] != was {
				t.Fatalf("%q: %s is at %v, was %v", id, symbol, was, at[symbol])
			}
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"id":1}{"id":2}`), true)
	f.Add([]byte("\x02\x08\x01\x00"), false)
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false)
	f.Fuzz(func(t *testing.T, body []byte, text bool) {
		form := delimited
		if text {
			form = lines
		}
		messages, err := split(body, form)
		if err != nil {
			return
		}
		var again []byte
		for _, m := range messages {
			again = form.AppendFrame(again, m, 0, 1)
		}
		back, err := split(again, form)
		if err != nil || len(back) != len(messages) {
			t.Fatalf("%q: %d messages, then %d, %v", body, len(messages), len(back), err)
		}
	})
}
