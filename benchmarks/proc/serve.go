package proc

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

type message struct {
	Do   string          `json:"do"`
	Body json.RawMessage `json:"body"`
}

type answer struct {
	Error string          `json:"error,omitempty"`
	Body  json.RawMessage `json:"body,omitempty"`
}

// Handler answers one request. body is JSON; the answer is encoded as JSON.
type Handler func(do string, body json.RawMessage) (any, error)

// Serve answers the requests on in, one a line, until in ends. A request that fails is answered with its
// error and the next one is read.
func Serve(in io.Reader, out io.Writer, handle Handler) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(make([]byte, 0, 64<<10), maxLine)
	enc := json.NewEncoder(out)
	for sc.Scan() {
		if err := enc.Encode(serveLine(sc.Bytes(), handle)); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	return sc.Err()
}

func serveLine(line []byte, handle Handler) answer {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return answer{Error: fmt.Sprintf("request %.80q: %v", line, err)}
	}
	value, err := handle(m.Do, m.Body)
	if err != nil {
		return answer{Error: fmt.Sprintf("%s: %v", m.Do, err)}
	}
	body, err := json.Marshal(value)
	if err != nil {
		return answer{Error: fmt.Sprintf("%s: %v", m.Do, err)}
	}
	return answer{Body: body}
}
