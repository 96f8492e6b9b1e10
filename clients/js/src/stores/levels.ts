/** One side of a book. */

import type { BookSide } from '../types.js';

/**
 * Levels in two typed arrays, the best one last: most changes are near the best, so few levels move for one that comes
 * or goes. A level is found in a number of steps that is the logarithm of how many there are.
 */
export class Levels implements BookSide {
  private prices = new Float64Array(32);
  private sizes = new Float64Array(32);
  private count = 0;

  /** sign is 1 where higher prices are better, and -1 where lower ones are. */
  constructor(private readonly sign: 1 | -1) {}

  get length(): number {
    return this.count;
  }

  price(at: number): number {
    return at >= 0 && at < this.count ? this.prices[this.count - 1 - at]! : NaN;
  }

  size(at: number): number {
    return at >= 0 && at < this.count ? this.sizes[this.count - 1 - at]! : NaN;
  }

  sizeAt(price: number): number {
    const at = this.find(price);
    return at < this.count && this.prices[at] === price ? this.sizes[at]! : 0;
  }

  clear(): void {
    this.count = 0;
  }

  /** Replaces what is offered at a price; 0 removes the level. */
  set(price: number, size: number): void {
    const at = this.find(price);
    const there = at < this.count && this.prices[at] === price;
    if (size === 0) {
      if (!there) return;
      this.prices.copyWithin(at, at + 1, this.count);
      this.sizes.copyWithin(at, at + 1, this.count);
      this.count--;
      return;
    }
    if (!there) {
      if (this.count === this.prices.length) this.grow();
      this.prices.copyWithin(at + 1, at, this.count);
      this.sizes.copyWithin(at + 1, at, this.count);
      this.prices[at] = price;
      this.count++;
    }
    this.sizes[at] = size;
  }

  /** Where the price is, or would be. */
  private find(price: number): number {
    const { prices, sign } = this;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sign * prices[middle]! < sign * price) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private grow(): void {
    for (const name of ['prices', 'sizes'] as const) {
      const larger = new Float64Array(2 * this[name].length);
      larger.set(this[name]);
      this[name] = larger;
    }
  }
}

/** Levels of a side that a checksum covers. */
const CHECKED = 100;
const TWO_32 = 0x1_0000_0000;

/** CRC-32 (IEEE) of bids, then asks, best first: of each level the price, then the size, as 64 bits, the lowest byte first. */
export function checksum(bids: BookSide, asks: BookSide): number {
  let crc = -1;
  for (const side of [bids, asks]) {
    const count = Math.min(side.length, CHECKED);
    for (let at = 0; at < count; at++) crc = add(add(crc, side.price(at)), side.size(at));
  }
  return ~crc >>> 0;
}

let table: Int32Array | undefined;

function add(crc: number, value: number): number {
  table ??= makeTable();
  crc = half(crc, value | 0, table);
  return half(crc, Math.floor(value / TWO_32) | 0, table);
}

function half(crc: number, bits: number, table: Int32Array): number {
  for (let i = 0; i < 4; i++, bits >>= 8) crc = table[(crc ^ bits) & 0xff]! ^ (crc >>> 8);
  return crc;
}

function makeTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
  });
}
