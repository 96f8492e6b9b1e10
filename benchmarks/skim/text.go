package skim

import (
	"bytes"
	"fmt"
	"hash/fnv"
)

// Text reads a frame of the subprotocol feedd.v1.json: it looks for the names that it knows, and takes for granted
// that what is text in rows holds no brackets and no quotes.
func (f *Frame) Text(b []byte) error {
	f.reset()
	if len(b) == 0 || b[0] != '{' || b[len(b)-1] != '}' {
		return fmt.Errorf("frame %.40q: no JSON object", b)
	}
	f.rows(list(b, `"quoteTexts":`), 'q', nil)
	f.rows(list(b, `"bookTexts":`), 'b', []byte(`"snapshot":true`))
	f.Grants = bytes.Count(list(b, `"grants":`), []byte(`"handles":`))
	f.Refused = bytes.Contains(b, []byte(`"ERROR_CODE_`))
	const cut = `"cutTimeUs":"`
	if at := bytes.Index(b, []byte(cut)); at >= 0 {
		for _, c := range b[at+len(cut):] {
			if c < '0' || c > '9' {
				break
			}
			f.Cut = f.Cut*10 + int64(c-'0')
		}
	}
	return nil
}

// rows notes the rows of a list that are full: those that hold mark.
func (f *Frame) rows(list []byte, kind byte, mark []byte) {
	const symbol = `"symbol":"`
	for {
		at := bytes.Index(list, []byte(symbol))
		if at < 0 {
			return
		}
		list = list[at+len(symbol):]
		row := list
		if end := bytes.Index(list, []byte(symbol)); end >= 0 {
			row = list[:end]
		}
		name, _, _ := bytes.Cut(row, []byte(`"`))
		if bytes.Contains(row, mark) {
			h := fnv.New32a()
			_, _ = h.Write(append([]byte{kind}, name...))
			f.Full = append(f.Full, h.Sum32())
		}
	}
}

// list returns what lies in the brackets behind name.
func list(b []byte, name string) []byte {
	at := bytes.Index(b, []byte(name))
	if at < 0 {
		return nil
	}
	b = bytes.TrimLeft(b[at+len(name):], " [")
	depth := 1
	for i, c := range b {
		switch c {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return b[:i]
			}
		}
	}
	return b
}
