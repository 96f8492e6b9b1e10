package snapshot

import "github.com/feedd/feedd/market"

// Key names one piece of state inside a node: an instrument and a channel, or a source's status. It packs
// the channel into the low bits, so that keys of a small universe are small numbers and can index arrays.
type Key uint32

const keyChannelBits = 3

// keySource takes the place of the channel in a source's key.
const keySource = market.ChannelNone

// MakeKey returns the key of an instrument's channel.
func MakeKey(id market.InstrumentID, ch market.Channel) Key {
	return Key(id)<<keyChannelBits | Key(ch)
}

func sourceKey(index uint32) Key { return Key(index)<<keyChannelBits | Key(keySource) }

// Channel returns the channel; ChannelNone for a source's status.
func (k Key) Channel() market.Channel { return market.Channel(k & (1<<keyChannelBits - 1)) }

// Instrument returns the instrument, or a source's index for a key without channel.
func (k Key) Instrument() market.InstrumentID { return market.InstrumentID(k >> keyChannelBits) }

// Topic is what a handle stands for: a key, and the form in which it is wanted.
type Topic struct {
	Key  Key
	View market.View
}

// journalSize bounds how far a reader may fall behind before it must look at everything: 65,536 changes
// are 30 ms of the busiest feed that this node is built for.
const journalSize = 1 << 16

// journal is a ring of the followed keys that changed last.
type journal struct {
	keys []Key
	next uint64 // how many were ever added
}

func (j *journal) add(k Key) {
	if j.keys == nil {
		j.keys = make([]Key, journalSize)
	}
	j.keys[j.next%journalSize] = k
	j.next++
}
