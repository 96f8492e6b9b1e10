package stream

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// maxID bounds an event's id in bytes. It comes back in a header, of which proxies take 8 KiB in all.
const maxID = 4 << 10

// position is how far the trades of a symbol came.
type position struct{ epoch, sequence uint64 }

// positions follows the trades that an event stream brings, so that its ids say all that is needed to go on behind them: an
// EventSource remembers nothing but the last one. It belongs to whoever writes the stream.
type positions struct {
	at      map[string]position
	scratch []byte
}

// follow takes note of the trades in a batch of events, and reports whether there were any.
func (p *positions) follow(batch []byte) (moved bool) {
	for line := range bytes.SplitSeq(batch, []byte("\n")) {
		payload, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok || !bytes.Contains(payload, []byte(`"tradeTexts":`)) {
			continue
		}
		var f struct {
			TradeTexts []struct {
				Symbol          string
				Epoch, Sequence uint64 `json:",string"`
			}
		}
		if json.Unmarshal(payload, &f) != nil {
			continue // it is ours, so it can be read; a test holds that
		}
		for _, t := range f.TradeTexts {
			if t.Epoch != 0 { // others mean nothing on another connection
				p.note(t.Symbol, position{t.Epoch, t.Sequence})
				moved = true
			}
		}
	}
	return moved
}

func (p *positions) note(symbol string, at position) {
	if p.at == nil {
		p.at = make(map[string]position)
	}
	if old := p.at[symbol]; at.epoch > old.epoch || at.epoch == old.epoch && at.sequence > old.sequence {
		p.at[symbol] = at
	}
}

// appendID appends an event that has an id and nothing else, which an EventSource remembers and tells nobody:
//
//	id: @7 sim:BTC-USD=1293 sim:ETH-USD=88
//
// A symbol behind @EPOCH is of that epoch. +N at the end says that N symbols had no room.
func (p *positions) appendID(dst []byte) []byte {
	symbols := make([]string, 0, len(p.at))
	for symbol := range p.at {
		symbols = append(symbols, symbol)
	}
	slices.SortFunc(symbols, func(a, b string) int {
		return cmp.Or(cmp.Compare(p.at[a].epoch, p.at[b].epoch), cmp.Compare(a, b))
	})
	dst = append(dst, "id:"...)
	start, epoch := len(dst), uint64(0)
	for n, symbol := range symbols {
		at := p.at[symbol]
		if len(dst)-start+len(symbol)+48 > maxID {
			dst = append(dst, " +"...)
			dst = strconv.AppendInt(dst, int64(len(symbols)-n), 10)
			break
		}
		if at.epoch != epoch {
			epoch = at.epoch
			dst = strconv.AppendUint(append(dst, " @"...), epoch, 10)
		}
		dst = append(append(append(dst, ' '), symbol...), '=')
		dst = strconv.AppendUint(dst, at.sequence, 10)
	}
	return append(dst, "\n\n"...)
}

// parseID reads an id. left is how many symbols had no room in it.
func parseID(id string) (at map[string]position, left int, err error) {
	wrong := func(word string) error {
		return fmt.Errorf("last event id: %q is not understood; want it as it came in an event, such as @7 sim:BTC-USD=1293", word)
	}
	if len(id) > 2*maxID {
		return nil, 0, errors.New("last event id: it is longer than any that was given")
	}
	at = make(map[string]position)
	epoch := uint64(0)
	for word := range strings.FieldsSeq(id) {
		if text, ok := strings.CutPrefix(word, "@"); ok {
			if epoch, err = strconv.ParseUint(text, 10, 64); err != nil || epoch == 0 {
				return nil, 0, wrong(word)
			}
			continue
		}
		if text, ok := strings.CutPrefix(word, "+"); ok {
			if left, err = strconv.Atoi(text); err != nil || left < 0 {
				return nil, 0, wrong(word)
			}
			continue
		}
		i := strings.LastIndexByte(word, '=')
		if i <= 0 || epoch == 0 {
			return nil, 0, wrong(word)
		}
		sequence, err := strconv.ParseUint(word[i+1:], 10, 64)
		if err != nil {
			return nil, 0, wrong(word)
		}
		at[word[:i]] = position{epoch, sequence}
	}
	return at, left, nil
}

// resumes turns positions into what a subscribe has of them.
func resumes(at map[string]position) (all []*feedv1.Resume) {
	for symbol, p := range at {
		all = append(all, &feedv1.Resume{Symbol: symbol, Channel: "trade", Epoch: p.epoch, Sequence: p.sequence})
	}
	slices.SortFunc(all, func(a, b *feedv1.Resume) int { return cmp.Compare(a.Symbol, b.Symbol) })
	return all
}
