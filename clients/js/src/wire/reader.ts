import { FeedError } from '../errors.js';

const TWO_28 = 0x1000_0000;
const TWO_32 = 0x1_0000_0000;
const TWO_56 = 0x100_0000_0000_0000;
/** Bits of the middle part of a number that a safe integer may use, where the top is 0. */
const SAFE_MIDDLE = 0x1ff_ffff;
/** Groups inside groups that skip() follows; schemas of today use none. */
const MAX_GROUPS = 16;

/**
 * Reads protobuf's wire format into plain numbers. Every read is checked against the end of the message
 * that encloses it, so a wrong length can neither run past the frame nor into the row behind. Numbers
 * that 2^53 cannot hold throw FeedError unsafe-integer; all else that is wrong throws FeedError decode.
 */
export class Reader {
  pos = 0;
  /** End of the message that is being read. */
  end: number;
  /** Parts of the 64-bit number that long() read last: 28 bits, 28 more, and 8. */
  private low = 0;
  private middle = 0;
  private top = 0;

  constructor(private readonly buf: Uint8Array) {
    this.end = buf.length;
  }

  /** Field number and wire type together: number << 3 | type. */
  tag(): number {
    const start = this.pos;
    const b = this.buf[start]!;
    if (start < this.end && b < 0x80 && b > 7) {
      this.pos = start + 1;
      return b;
    }
    const tag = this.uint32();
    const length = this.pos - start;
    if (length > 5 || (length === 5 && this.buf[this.pos - 1]! > 0x0f)) throw this.bad('a tag beyond 32 bits');
    if (tag >>> 3 === 0) throw this.bad('field number 0');
    return tag;
  }

  /** Enters a length-delimited message; give what it returns to leave(). */
  enter(): number {
    const length = this.uint32();
    const outer = this.end;
    if (length > outer - this.pos) throw this.bad(`a length of ${length} where ${outer - this.pos} bytes are left`);
    this.end = this.pos + length;
    return outer;
  }

  leave(outer: number): void {
    this.pos = this.end;
    this.end = outer;
  }

  /** Passes over a tag if it comes next and is of one byte. */
  next(tag: number): boolean {
    if (tag > 0x7f || this.pos >= this.end || this.buf[this.pos] !== tag) return false;
    this.pos++;
    return true;
  }

  uint32(): number {
    const n = this.short();
    if (n >= 0) return n;
    this.long();
    return (this.low | (this.middle << 28)) >>> 0;
  }

  int32(): number {
    return this.uint32() | 0;
  }

  sint32(): number {
    const n = this.uint32();
    return (n >>> 1) ^ -(n & 1);
  }

  bool(): boolean {
    this.long();
    return (this.low | this.middle | this.top) !== 0;
  }

  uint64(): number {
    const n = this.short();
    if (n >= 0) return n;
    this.long();
    if (this.top !== 0 || this.middle > SAFE_MIDDLE) throw this.unsafe();
    return this.middle * TWO_28 + this.low;
  }

  int64(): number {
    const short = this.short();
    if (short >= 0) return short;
    this.long();
    const top = this.top > 0x7f ? this.top - 0x100 : this.top;
    const n = top * TWO_56 + this.middle * TWO_28 + this.low;
    if (!Number.isSafeInteger(n)) throw this.unsafe();
    return n;
  }

  sint64(): number {
    const short = this.short();
    if (short >= 0) return (short >>> 1) ^ -(short & 1);
    this.long();
    const half = (this.top * TWO_56 + this.middle * TWO_28) / 2 + (this.low >>> 1);
    const n = (this.low & 1) === 0 ? half : -half - 1;
    if (!Number.isSafeInteger(n)) throw this.unsafe();
    return n;
  }

  fixed32(): number {
    const at = this.pos;
    this.advance(4);
    return this.little(at);
  }

  fixed64(): number {
    const at = this.pos;
    this.advance(8);
    const n = this.little(at + 4) * TWO_32 + this.little(at);
    if (!Number.isSafeInteger(n)) throw this.unsafe();
    return n;
  }

  /** A uint64 that is an identity rather than a quantity: a bigint where a number cannot hold it. */
  wideUint64(): number | bigint {
    const n = this.short();
    if (n >= 0) return n;
    this.long();
    if (this.top === 0 && this.middle <= SAFE_MIDDLE) return this.middle * TWO_28 + this.low;
    return (BigInt(this.top) << 56n) | (BigInt(this.middle) << 28n) | BigInt(this.low);
  }

  /** Invalid UTF-8 becomes U+FFFD: texts are for people, and one bad word must not cost the rows beside it. */
  string(): string {
    const outer = this.enter();
    const bytes = this.buf.subarray(this.pos, this.end);
    this.leave(outer);
    if (bytes.length === 0) return '';
    textDecoder ??= new TextDecoder();
    return textDecoder.decode(bytes);
  }

  /** A packed list. */
  uint32s(): number[] {
    const list: number[] = [];
    const outer = this.enter();
    while (this.pos < this.end) list.push(this.uint32());
    this.leave(outer);
    return list;
  }

  /** Passes over the value behind a tag that nobody knows. */
  skip(tag: number, groups = 0): void {
    switch (tag & 7) {
      case 0:
        this.long();
        return;
      case 1:
        this.advance(8);
        return;
      case 2:
        this.leave(this.enter());
        return;
      case 3:
        if (groups === MAX_GROUPS) throw this.bad('groups nested too deeply');
        for (;;) {
          const inner = this.tag();
          if ((inner & 7) !== 4) this.skip(inner, groups + 1);
          else if (inner >>> 3 === tag >>> 3) return;
          else throw this.bad('the end of another group');
        }
      case 5:
        this.advance(4);
        return;
      default:
        throw this.bad(`wire type ${tag & 7}`);
    }
  }

  private advance(bytes: number): void {
    if (bytes > this.end - this.pos) throw this.bad('the end of the message inside a number');
    this.pos += bytes;
  }

  private little(at: number): number {
    const b = this.buf;
    return (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;
  }

  /**
   * Reads a varint of up to four bytes, which most differences are, or returns -1 and leaves it to long(): it is longer, or it
   * ends beyond the message, or too near the end of the frame to be read without looking where that is.
   */
  private short(): number {
    const { buf } = this;
    let { pos } = this;
    if (pos + 4 > buf.length) return -1;
    let b = buf[pos++]!;
    let n = b & 0x7f;
    if (b > 0x7f) {
      b = buf[pos++]!;
      n |= (b & 0x7f) << 7;
      if (b > 0x7f) {
        b = buf[pos++]!;
        n |= (b & 0x7f) << 14;
        if (b > 0x7f) {
          b = buf[pos++]!;
          if (b > 0x7f) return -1;
          n |= b << 21;
        }
      }
    }
    if (pos > this.end) return -1;
    this.pos = pos;
    return n;
  }

  /** Reads a varint of up to 64 bits into low, middle and top. */
  private long(): void {
    this.low = this.middle = this.top = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const b = this.byte();
      this.low |= (b & 0x7f) << shift;
      if (b < 0x80) return;
    }
    for (let shift = 0; shift < 28; shift += 7) {
      const b = this.byte();
      this.middle |= (b & 0x7f) << shift;
      if (b < 0x80) return;
    }
    const b = this.byte();
    this.top = b & 0x7f;
    if (b < 0x80) return;
    const last = this.byte();
    if (last > 0x7f) throw this.bad('a number of more than ten bytes');
    this.top |= (last & 1) << 7; // what lies beyond 64 bits is no part of it
  }

  private byte(): number {
    if (this.pos >= this.end) throw this.bad('the end of the message inside a number');
    return this.buf[this.pos++]!;
  }

  private bad(what: string): FeedError {
    return new FeedError(
      'decode',
      `at byte ${this.pos} of ${this.buf.length}: ${what}; want a feed.v1.ServerFrame in protobuf`,
      true,
    );
  }

  private unsafe(): FeedError {
    return new FeedError('unsafe-integer', 'a number beyond 2^53, which JavaScript cannot hold exactly', true);
  }
}

// Made at first use: importing this package touches no globals.
let textDecoder: TextDecoder | undefined;
