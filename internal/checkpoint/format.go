package checkpoint

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// Format is the version of the checkpoints that are written and read: of the file, and of what feedd puts into its
// sections. One of another format is refused, since no part of it could be trusted to mean the same.
const Format = 1

// MaxSection bounds a section's payload, and with it what a reader needs of memory, in bytes.
const MaxSection = 8 << 20

// Kind says what a section holds. Kind 0 is the file's end.
type Kind uint8

const kindEnd Kind = 0

const (
	magic      = "feedd\x00cp"
	headerSize = len(magic) + 4 + 8 + crcSize
	headSize   = 1 + 4 // of a section, ahead of its payload
	crcSize    = 4
	endSize    = headSize + crcSize + crcSize
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer writes the sections of one checkpoint.
type Writer struct {
	w     io.Writer
	sum   uint32 // of all bytes so far
	bytes int64
}

// newWriter begins a checkpoint of a time in microseconds since the Unix epoch.
func newWriter(w io.Writer, at int64) (*Writer, error) {
	out := &Writer{w: w}
	b := append(make([]byte, 0, headerSize), magic...)
	b = binary.LittleEndian.AppendUint32(b, Format)
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return out, out.write(b)
}

func (w *Writer) write(b []byte) error {
	w.sum = crc32.Update(w.sum, castagnoli, b)
	w.bytes += int64(len(b))
	_, err := w.w.Write(b)
	return err
}

// Section writes one section. The payload may be used again afterwards.
func (w *Writer) Section(kind Kind, payload []byte) error {
	if kind == kindEnd || len(payload) > MaxSection {
		return fmt.Errorf("checkpoint: section of kind %d with %d bytes: want a kind above 0 and at most %d bytes", kind, len(payload), MaxSection)
	}
	return w.section(kind, payload)
}

func (w *Writer) section(kind Kind, payload []byte) error {
	head := make([]byte, headSize, headSize+crcSize)
	head[0] = byte(kind)
	binary.LittleEndian.PutUint32(head[1:], uint32(len(payload)))
	sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, payload)
	for _, b := range [...][]byte{head, payload, binary.LittleEndian.AppendUint32(head[headSize:], sum)} {
		if err := w.write(b); err != nil {
			return err
		}
	}
	return nil
}

// end closes the checkpoint.
func (w *Writer) end() error {
	return w.section(kindEnd, binary.LittleEndian.AppendUint32(nil, w.sum))
}

// Reader reads the sections of one checkpoint, in the order in which they were written.
type Reader struct {
	r    io.ReadSeeker
	size int64
	at   int64 // bytes read
	sum  uint32
	time int64
	buf  []byte
}

// newReader checks all of a checkpoint of size bytes, and returns a reader of its sections.
func newReader(from io.ReadSeeker, size int64) (*Reader, error) {
	r := &Reader{r: from, size: size}
	if err := r.header(); err != nil {
		return nil, err
	}
	for {
		if _, _, err := r.Next(); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
	}
	return r, r.rewind()
}

// rewind goes back to the first section.
func (r *Reader) rewind() error {
	if _, err := r.r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r.at, r.sum = 0, 0
	return r.header()
}

// Time returns when the checkpoint was begun, in microseconds since the Unix epoch.
func (r *Reader) Time() int64 { return r.time }

// Bytes returns how large the checkpoint is.
func (r *Reader) Bytes() int64 { return r.size }

func (r *Reader) header() error {
	b, err := r.take(headerSize)
	if err != nil {
		return err
	}
	if string(b[:len(magic)]) != magic {
		return &Damage{fmt.Sprintf("not a checkpoint of feedd's: it begins with %q", b[:len(magic)])}
	}
	// Ahead of the checksum: another format may have it elsewhere.
	if format := binary.LittleEndian.Uint32(b[len(magic):]); format != Format {
		return fmt.Errorf("checkpoint of format %d, this feedd reads %d", format, Format)
	}
	if crc32.Checksum(b, castagnoli) != crcOfWhole {
		return damaged(0, "the header's checksum is wrong")
	}
	r.time = int64(binary.LittleEndian.Uint64(b[len(magic)+4:]))
	return nil
}

// crcOfWhole is the CRC-32C of anything that is followed by its own CRC-32C.
const crcOfWhole = 0x48674bc7

// Next returns the next section, or io.EOF behind the last one. The payload is valid until the next call.
func (r *Reader) Next() (Kind, []byte, error) {
	start, sum := r.at, r.sum
	head, err := r.take(headSize)
	if err != nil {
		return 0, nil, err
	}
	kind, n := Kind(head[0]), int64(binary.LittleEndian.Uint32(head[1:]))
	if n > MaxSection || kind == kindEnd && n != crcSize {
		return 0, nil, damaged(start, fmt.Sprintf("a section of kind %d with %d bytes is not possible", kind, n))
	}
	check := crc32.Checksum(head, castagnoli)
	body, err := r.take(int(n) + crcSize)
	if err != nil {
		return 0, nil, err
	}
	if crc32.Update(check, castagnoli, body) != crcOfWhole {
		return 0, nil, damaged(start, "the checksum of the section that begins there is wrong")
	}
	payload := body[:n]
	if kind != kindEnd {
		return kind, payload, nil
	}
	if binary.LittleEndian.Uint32(payload) != sum {
		return 0, nil, damaged(start, "the checksum of the whole is wrong: sections are missing or in another order")
	}
	if r.at != r.size {
		return 0, nil, damaged(r.at, fmt.Sprintf("%d bytes follow the end", r.size-r.at))
	}
	return 0, nil, io.EOF
}

// take reads n bytes, valid until the next call. What the file is too short for is never made room for.
func (r *Reader) take(n int) ([]byte, error) {
	if int64(n) > r.size-r.at {
		return nil, &Damage{fmt.Sprintf("truncated: it ends at byte %d, where at least %d more are due", r.size, int64(n)-(r.size-r.at))}
	}
	if n > len(r.buf) {
		r.buf = make([]byte, max(n, 64<<10))
	}
	b := r.buf[:n]
	if _, err := io.ReadFull(r.r, b); err != nil {
		return nil, fmt.Errorf("at byte %d: %w", r.at, err)
	}
	r.at += int64(n)
	r.sum = crc32.Update(r.sum, castagnoli, b)
	return b, nil
}

// Damage is the error of a checkpoint that is of no use to anybody: its bytes are not those that were written. Another format,
// or a disk that cannot be read, is not damage.
type Damage struct{ text string }

func (d *Damage) Error() string { return d.text }

func damaged(at int64, what string) error {
	return &Damage{fmt.Sprintf("damaged at byte %d: %s", at, what)}
}
