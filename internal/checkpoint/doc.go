// Package checkpoint keeps a node's state in a file, so that a restart need not wait for the market to tell everything
// again. It knows nothing of markets: a checkpoint is a row of sections, each a kind and some bytes.
//
// A file is written beside the one that counts, brought to the disk, and renamed; the one before stays as a fallback. So
// whenever the process or the machine dies, there is a whole checkpoint or none. Every section carries a checksum, the
// file one more, and a reader checks them all before it gives out the first section: a damaged checkpoint is refused, never
// used in part.
//
//	file    = header section* end
//	header  = "feedd\0cp" · format, 4 bytes · time, 8 bytes · CRC
//	section = kind, 1 byte, not 0 · length, 4 bytes · payload · CRC
//	end     = 0 · 4 in 4 bytes · CRC of all bytes ahead of the end · CRC
//
// Numbers are little-endian, the time is in microseconds since the Unix epoch, and each CRC is CRC-32C over what stands
// between it and the CRC before.
//
// A Keeper writes checkpoints again and again. It never takes more than a twentieth of the time, and a disk that is full or
// must not be written to costs a warning and a count, nothing else.
package checkpoint
