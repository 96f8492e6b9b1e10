// Package quoterow turns the numbers in which a ServerFrame carries quotes into rows, and rows into numbers for tests that play
// the server. It follows feed.proto and shares nothing with the encoder of the server, which tests hold against it.
package quoterow

import (
	"fmt"
	"math/bits"
)

// Row is a row of a quote as it stands in a frame: whole values in a full row, else differences.
type Row struct {
	Handle       uint32
	Bid, BidSize int64
	Spread       int64 // the ask less the bid; where there is no bid the ask
	AskSize      int64
	AgeMs        uint32
	TransitMs    int32
	Has          *uint32 // nil: as before
	Sequence     uint64  // not 0: the row is full
	Epoch        uint64
}

// Bits of a row's second number.
const (
	bid = iota
	bidSize
	spread
	askSize
	age
	transit
	has
	sequence
	epoch
	known
)

// Read returns the rows that numbers are. Numbers that rows of later versions may have are passed over.
func Read(numbers []uint64) (rows []Row, err error) {
	for at := 0; at < len(numbers); {
		if len(numbers)-at < 2 {
			return rows, fmt.Errorf("quotes: number %d begins a row that ends there", at)
		}
		handle, fields := numbers[at], numbers[at+1]
		at += 2
		n := bits.OnesCount64(fields)
		if handle != uint64(uint32(handle)) || fields != uint64(uint32(fields)) || n > len(numbers)-at {
			return rows, fmt.Errorf("quotes: handle %d, fields %#b, and %d numbers left", handle, fields, len(numbers)-at)
		}
		var of [known]uint64
		for b := range known {
			if fields&(1<<b) != 0 {
				of[b] = numbers[at]
				at++
				n--
			}
		}
		at += n
		r := Row{
			Handle: uint32(handle), Bid: signed(of[bid]), BidSize: signed(of[bidSize]), Spread: signed(of[spread]), AskSize: signed(of[askSize]),
			AgeMs: uint32(of[age]), TransitMs: int32(signed(of[transit])), Sequence: of[sequence], Epoch: of[epoch],
		}
		if fields&(1<<has) != 0 {
			there := uint32(of[has])
			r.Has = &there
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// Append appends the numbers of r.
func Append(numbers []uint64, r Row) []uint64 {
	at := len(numbers) + 1
	numbers = append(numbers, uint64(r.Handle), 0)
	add := func(bit int, n uint64) {
		numbers[at] |= 1 << bit
		numbers = append(numbers, n)
	}
	of := [known]uint64{
		bid: zigzag(r.Bid), bidSize: zigzag(r.BidSize), spread: zigzag(r.Spread), askSize: zigzag(r.AskSize),
		age: uint64(r.AgeMs), transit: zigzag(int64(r.TransitMs)), sequence: r.Sequence, epoch: r.Epoch,
	}
	for bit, n := range of {
		switch {
		case bit == has && r.Has != nil:
			add(bit, uint64(*r.Has))
		case n != 0:
			add(bit, n)
		}
	}
	return numbers
}

// Numbers are those of rows.
func Numbers(rows ...Row) (numbers []uint64) {
	for _, r := range rows {
		numbers = Append(numbers, r)
	}
	return numbers
}

func signed(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

func zigzag(n int64) uint64 { return uint64(n<<1) ^ uint64(n>>63) }
