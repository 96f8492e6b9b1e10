// Package section lays out the fields inside a checkpoint's sections: numbers as varints, text and bytes behind their
// length. It knows no more of them than that; what a field means is said by whoever writes and reads it.
//
// Input may be damaged in spite of all checksums, by a mistake of feedd's own. So a Reader never reads past its end,
// never takes a length for memory that is not there, and keeps its first error.
package section
