// Package book holds an order book: levels by price on two sides, and the last changes of them.
//
// A side is one sorted slice whose last element is the best level. In recorded books of some thousand levels a side half
// of all changes lie within a hundred or two of the best one, so an insertion or a removal moves few levels, the search
// for a price begins at that end, and the best levels lie together in memory for a cut to copy. A side keeps keys in
// place of prices, larger being better on both sides, so that one code serves both.
//
// Every event is a tick of the book. The changes that events made are kept in a ring, each with its tick and the size
// that was there before, so a reader who knows the book as of one tick can be told what leads to another, long after
// the book has moved on: the net changes, each price once, without those that came to nothing. A reader for whom the
// ring no longer reaches back takes the whole book.
//
// An image is taken in as the difference to the book that was there, so an image that repeats what is known costs
// readers nothing.
//
// The package is pure: it reads no clock, starts no goroutine and takes no lock. A Book belongs to one goroutine while
// it is written; while it stands still any number may read it.
package book
