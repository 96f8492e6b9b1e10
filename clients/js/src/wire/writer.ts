import { FeedError } from '../errors.js';

/**
 * Appends protobuf fields; like every scalar of proto3 a value of zero is left out. Throws FeedError
 * unsafe-integer for numbers that are not safe integers of the field's range.
 */
export class Writer {
  private buf = new Uint8Array(256);
  private length = 0;

  finish(): Uint8Array<ArrayBuffer> {
    return this.buf.slice(0, this.length);
  }

  /** An unsigned varint; the field is written even when 0. */
  present(field: number, value: number | bigint): void {
    this.varint(field << 3);
    this.varint(value);
  }

  uint(field: number, value: number | bigint): void {
    if (value !== 0) this.present(field, value);
  }

  /** An int64; negative ones take ten bytes. */
  int64(field: number, value: number): void {
    this.uint(field, value < 0 ? BigInt.asUintN(64, BigInt(value)) : value);
  }

  string(field: number, value: string): void {
    if (value !== '') this.element(field, value);
  }

  /** An element of a repeated string field, which is written even when empty. */
  element(field: number, value: string): void {
    textEncoder ??= new TextEncoder();
    this.bytes(field, textEncoder.encode(value));
  }

  packed(field: number, values: readonly number[]): void {
    if (values.length > 0) this.message(field, (w) => values.forEach((v) => w.varint(v)));
  }

  message(field: number, write: (w: Writer) => void): void {
    const inner = new Writer();
    write(inner);
    this.bytes(field, inner.buf.subarray(0, inner.length));
  }

  private bytes(field: number, value: Uint8Array): void {
    this.varint((field << 3) | 2);
    this.varint(value.length);
    this.reserve(value.length);
    this.buf.set(value, this.length);
    this.length += value.length;
  }

  private varint(value: number | bigint): void {
    this.reserve(10);
    if (typeof value === 'bigint') {
      for (; value > 127n; value >>= 7n) this.buf[this.length++] = Number(value & 127n) | 128;
      this.buf[this.length++] = Number(value);
      return;
    }
    if (!Number.isSafeInteger(value) || value < 0)
      throw new FeedError('unsafe-integer', `${value}: want an integer from 0 to 2^53`);
    for (; value > 127; value = Math.floor(value / 128)) this.buf[this.length++] = (value % 128) | 128;
    this.buf[this.length++] = value;
  }

  private reserve(more: number): void {
    if (this.length + more <= this.buf.length) return;
    const larger = new Uint8Array(Math.max(this.buf.length * 2, this.length + more));
    larger.set(this.buf);
    this.buf = larger;
  }
}

let textEncoder: TextEncoder | undefined;
