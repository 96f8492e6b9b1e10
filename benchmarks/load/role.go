package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/feedd/feedd/benchmarks/probe"
	"github.com/feedd/feedd/benchmarks/proc"
)

// Requests of the role.
const (
	Connect   = "connect"   // takes a Config, answers with a Joined when all sessions are live
	Reconnect = "reconnect" // hangs up all sessions at once and brings them up again, answers with a Joined
	Mark      = "mark"      // answers with a Window
	Holds     = "holds"     // answers with the quotes of all probes ([]probe.Last)
	Books     = "books"     // answers with the books of all probes ([]probe.LastBook)
	Verify    = "verify"    // takes a probe.Market, answers with a probe.Verdict
	Stall     = "stall"     // takes the name of a group, which is not read any more
	Unstall   = "unstall"   // takes the name of a group, which is read again
	SetRate   = "set-rate"  // takes a cadence in milliseconds that all sessions ask for
	Expect    = "expect"    // has all sessions look for a grant
	Await     = "await"     // answers with a Granted when all that looked for a grant have had one
)

// Role is the process of the load generator: it answers requests until in ends.
func Role(in io.Reader, out io.Writer) error {
	var l *Loop
	defer func() {
		if l != nil {
			l.Stop()
		}
	}()
	return proc.Serve(in, out, func(do string, body json.RawMessage) (any, error) {
		if do == Connect {
			if l != nil {
				return nil, errors.New("already connected")
			}
			var cfg Config
			if err := json.Unmarshal(body, &cfg); err != nil {
				return nil, err
			}
			var err error
			if l, err = Start(cfg); err != nil {
				return nil, err
			}
			return l.Connect(Patience)
		}
		if l == nil {
			return nil, errors.New("not connected yet")
		}
		return l.answer(do, body)
	})
}

func (l *Loop) answer(do string, body json.RawMessage) (any, error) {
	switch do {
	case Reconnect:
		return l.Reconnect(Patience)
	case Mark:
		return l.Mark()
	case Holds:
		return l.Holds()
	case Books:
		return l.Books()
	case Expect:
		return nil, l.Expect()
	case Await:
		return l.Await(Patience)
	case SetRate:
		var cadence uint32
		if err := json.Unmarshal(body, &cadence); err != nil {
			return nil, err
		}
		return nil, l.SetRate(cadence)
	case Verify:
		var m probe.Market
		if err := json.Unmarshal(body, &m); err != nil {
			return nil, err
		}
		return l.Verify(m)
	case Stall, Unstall:
		var group string
		if err := json.Unmarshal(body, &group); err != nil {
			return nil, err
		}
		if do == Stall {
			return nil, l.Stall(group)
		}
		return nil, l.Resume(group)
	}
	return nil, fmt.Errorf("unknown request")
}
