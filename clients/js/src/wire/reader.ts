import { FeedError } from '../errors.js';

const TWO_32 = 0x1_0000_0000;
/** Bits of the high half that a safe integer may use. */
const SAFE_HIGH = 0x1f_ffff;
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
  /** Halves of the 64-bit number that long() read last. */
  private low = 0;
  private high = 0;

  constructor(private readonly buf: Uint8Array) {
    this.end = buf.length;
  }

  /** Field number and wire type together: number << 3 | type. */
  tag(): number {
    const start = this.pos;
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

  uint32(): number {
    if (this.pos < this.end) {
      const b = this.buf[this.pos]!;
      if (b < 0x80) {
        this.pos++;
        return b;
      }
    }
    this.long();
    return this.low;
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
    return this.low !== 0 || this.high !== 0;
  }

  uint64(): number {
    this.long();
    if (this.high > SAFE_HIGH) throw this.unsafe();
    return this.high * TWO_32 + this.low;
  }

  int64(): number {
    this.long();
    if (this.high <= SAFE_HIGH) return this.high * TWO_32 + this.low;
    const n = (this.high | 0) * TWO_32 + this.low;
    if (!Number.isSafeInteger(n)) throw this.unsafe();
    return n;
  }

  sint64(): number {
    this.long();
    const negative = this.low & 1;
    const half = this.high * 0x8000_0000 + (this.low >>> 1);
    const n = negative === 0 ? half : -half - 1;
    if (!Number.isSafeInteger(n)) throw this.unsafe();
    return n;
  }

  fixed32(): number {
    const at = this.pos;
    this.advance(4);
    return this.little(at);
  }

  fixed64(): number {
    this.halves();
    if (this.high > SAFE_HIGH) throw this.unsafe();
    return this.high * TWO_32 + this.low;
  }

  /** A uint64 that is an identity rather than a quantity: a bigint where a number cannot hold it. */
  wideUint64(): number | bigint {
    this.long();
    if (this.high <= SAFE_HIGH) return this.high * TWO_32 + this.low;
    return (BigInt(this.high) << 32n) | BigInt(this.low);
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

  private halves(): void {
    const at = this.pos;
    this.advance(8);
    this.low = this.little(at);
    this.high = this.little(at + 4);
  }

  private little(at: number): number {
    const b = this.buf;
    return (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;
  }

  /** Reads a varint of up to 64 bits into low and high, both unsigned. */
  private long(): void {
    const { buf, end } = this;
    let pos = this.pos;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (pos >= end) throw this.bad('the end of the message inside a number');
      const b = buf[pos++]!;
      if (shift < 28) low |= (b & 0x7f) << shift;
      else if (shift === 28) {
        low |= (b & 0x0f) << 28;
        high = (b & 0x70) >> 4;
      } else high |= (b & 0x7f) << (shift - 32);
      if (b < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        this.pos = pos;
        return;
      }
    }
    throw this.bad('a number of more than ten bytes');
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
