package recording

import (
	"encoding/json"
	"fmt"
)

// cursor walks through one JSON text in place: nothing is copied, and members that nobody asked for are
// stepped over. It is as strict as encoding/json about what it walks through, and stricter in two points
// that no exchange's message needs: member names and the texts that are read hold no escapes.
type cursor struct {
	b []byte
	i int
}

func (c *cursor) fail(want string) error {
	if c.i >= len(c.b) {
		return fmt.Errorf("JSON ends at byte %d: want %s", c.i, want)
	}
	return fmt.Errorf("unexpected %q at byte %d of the JSON: want %s", c.b[c.i], c.i, want)
}

// peek steps over white space and returns the next byte, 0 at the end.
func (c *cursor) peek() byte {
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case ' ', '\t', '\r', '\n':
			c.i++
		default:
			return c.b[c.i]
		}
	}
	return 0
}

// take steps over b if it comes next.
func (c *cursor) take(b byte) bool {
	if c.peek() != b {
		return false
	}
	c.i++
	return true
}

func (c *cursor) end() error {
	if c.peek() != 0 || c.i < len(c.b) {
		return c.fail("the end of the line")
	}
	return nil
}

// members walks through an object. visit is called with the cursor on each member's value, which it reads.
func (c *cursor) members(visit func(name []byte) error) error {
	if !c.take('{') {
		return c.fail("an object")
	}
	if c.take('}') {
		return nil
	}
	for {
		name, err := c.text()
		if err != nil {
			return err
		}
		if !c.take(':') {
			return c.fail("':'")
		}
		if err := visit(name); err != nil {
			return err
		}
		if c.take('}') {
			return nil
		}
		if !c.take(',') {
			return c.fail("',' or '}'")
		}
	}
}

// elements walks through an array. visit is called with the cursor on each element, which it reads.
func (c *cursor) elements(visit func() error) error {
	if !c.take('[') {
		return c.fail("an array")
	}
	if c.take(']') {
		return nil
	}
	for {
		if err := visit(); err != nil {
			return err
		}
		if c.take(']') {
			return nil
		}
		if !c.take(',') {
			return c.fail("',' or ']'")
		}
	}
}

// text reads a string without escapes. The result is valid as long as the line is.
func (c *cursor) text() ([]byte, error) {
	if !c.take('"') {
		return nil, c.fail("a string")
	}
	start := c.i
	for ; c.i < len(c.b); c.i++ {
		switch b := c.b[c.i]; {
		case b == '"':
			c.i++
			return c.b[start : c.i-1], nil
		case b == '\\' || b < ' ':
			return nil, c.fail("a string without escapes")
		}
	}
	return nil, c.fail("the end of a string")
}

// number reads decimal text within a string: exchanges write them so that nobody rounds them.
func (c *cursor) number() (number, error) {
	text, err := c.text()
	if err != nil {
		return number{}, err
	}
	return parseNumber(text)
}

// whole reads a JSON number that is a whole one of at most 63 bits: an id or a time.
func (c *cursor) whole() (int64, error) {
	c.peek()
	start := c.i
	var n number
	for ; c.i < len(c.b) && c.b[c.i] >= '0' && c.b[c.i] <= '9'; c.i++ {
		if !n.push(int64(c.b[c.i] - '0')) {
			return 0, c.fail("a whole number of at most 63 bits")
		}
	}
	if c.i == start || c.b[start] == '0' && c.i > start+1 {
		c.i = start
		return 0, c.fail("a whole number")
	}
	return n.value, nil
}

// truth reads true or false.
func (c *cursor) truth() (bool, error) {
	c.peek()
	for _, word := range [2]string{"true", "false"} {
		if len(c.b)-c.i >= len(word) && string(c.b[c.i:c.i+len(word)]) == word {
			c.i += len(word)
			return word == "true", nil
		}
	}
	return false, c.fail("true or false")
}

// skip steps over a value of any kind.
func (c *cursor) skip() error {
	start := c.i
	switch c.peek() {
	case '"':
		// Nearly every value that nobody reads is a plain text or a truth.
		if _, err := c.text(); err == nil {
			return nil
		}
	case 't', 'f':
		_, err := c.truth()
		return err
	}
	c.i = start
	depth, quoted := 0, false
	for ; c.i < len(c.b); c.i++ {
		b := c.b[c.i]
		switch {
		case quoted && b == '\\':
			c.i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{' || b == '[':
			depth++
		case (b == ',' || b == '}' || b == ']') && depth == 0:
			return c.valid(start)
		case b == '}' || b == ']':
			depth--
		}
	}
	c.i = min(c.i, len(c.b))
	return c.valid(start)
}

// valid checks what skip stepped over.
func (c *cursor) valid(start int) error {
	if !json.Valid(c.b[start:c.i]) {
		c.i = start
		return c.fail("a JSON value")
	}
	return nil
}
