import { Batches } from './batches.js';
import { type BookHolder, type BookTopic, bookKind } from './books.js';
import { FeedError } from '../errors.js';
import { Levels } from './levels.js';
import { BaseStore } from './store.js';
import type { BookChange, BookOptions, BookSide, BookStore, CoreClient, Instrument, Level, Listening, Quality, RowTimes, Stop } from '../types.js';

const DEPTHS: readonly number[] = [0, 1, 5, 10, 20, 50, 100];

interface Loop {
  readonly pending: Pending;
  readonly batches: Batches<BookChange>;
}

export class Book extends BaseStore<BookTopic, BookChange> implements BookStore, BookHolder {
  readonly symbol: string;
  readonly #pending = new Pending();
  readonly #loops = new Set<Loop>();
  /** What the sides are before there is a topic, and after there is none. */
  readonly #none = { bids: new Levels(1), asks: new Levels(-1), checksums: { right: 0, wrong: 0 } };

  constructor(client: CoreClient, symbol: string, options: BookOptions = {}) {
    const { depth = 0, priceGroup = 0 } = options;
    if (!DEPTHS.includes(depth)) throw new FeedError('bad-option', `depth ${depth}: want one of ${DEPTHS.join(', ')}; 0 is all levels`);
    if (!isGroup(priceGroup))
      throw new FeedError('bad-option', `priceGroup ${priceGroup}: want 0, or 1, 2 or 5 times a power of ten in scaled units`);
    if (priceGroup > 0 && depth === 0) throw new FeedError('bad-option', `priceGroup ${priceGroup}: want a depth with it, such as 20`);
    if (typeof symbol !== 'string' || /\*|^@/.test(symbol))
      throw new FeedError('bad-option', `symbol ${JSON.stringify(symbol)}: want one "venue:SYMBOL"; patterns and lists have no one book`);
    super(client, bookKind(depth, priceGroup), [symbol], options);
    this.symbol = symbol;
    this.start();
  }

  get instrument(): Instrument | undefined {
    return this.#topic?.entry?.instrument;
  }

  get bids(): BookSide {
    return (this.#topic ?? this.#none).bids;
  }

  get asks(): BookSide {
    return (this.#topic ?? this.#none).asks;
  }

  get complete(): boolean {
    return this.#topic?.complete ?? false;
  }

  get quality(): Quality {
    return this.#topic?.quality ?? 'unknown';
  }

  get times(): RowTimes | undefined {
    return this.#topic?.times;
  }

  get checksums(): { readonly right: number; readonly wrong: number } {
    return { ...(this.#topic ?? this.#none).checksums };
  }

  subscribe(fn: (change: BookChange) => void, options?: Listening): Stop {
    return this.listeners.add((changes) => changes.forEach(fn), options);
  }

  /** Begins with a reset where the book is complete. A slow loop finds what changed since, each level once. */
  [Symbol.asyncIterator](): AsyncIterator<BookChange> {
    const pending = new Pending();
    if (this.complete) pending.restated();
    const loop: Loop = { pending, batches: new Batches(() => pending.take(), () => this.#loops.delete(loop)) };
    this.#loops.add(loop);
    if (this.closed) loop.batches.end();
    return loop.batches;
  }

  // ---- as a BookHolder

  restated(): void {
    this.#pending.restated();
    this.feed.dirty(this);
  }

  level(side: 'bids' | 'asks', price: number, size: number): void {
    this.#pending.level(side, price, size);
    this.feed.dirty(this);
  }

  touched(): void {
    this.#pending.touched();
    this.feed.dirty(this);
  }

  protected catchUp(topic: BookTopic): void {
    if (topic.complete) this.restated();
  }

  protected takeBatch(): BookChange[] {
    const change = this.#pending.take();
    return change === undefined ? [] : [change];
  }

  protected feedLoops(batch: readonly BookChange[]): void {
    for (const loop of this.#loops) {
      for (const change of batch) loop.pending.add(change);
      loop.batches.wake();
    }
  }

  protected endLoops(): void {
    for (const loop of this.#loops) loop.batches.end();
  }

  get #topic(): BookTopic | undefined {
    return this.topics.get(this.symbol);
  }
}

/** Changes that wait to be handed out. They hold no more levels than the book had: more, and the whole is restated. */
class Pending {
  #reset = false;
  #some = false;
  private readonly bids = new Map<number, number>();
  private readonly asks = new Map<number, number>();

  restated(): void {
    this.#reset = this.#some = true;
    this.bids.clear();
    this.asks.clear();
  }

  level(side: 'bids' | 'asks', price: number, size: number): void {
    this.#some = true;
    if (this.#reset) return;
    this[side].set(price, size);
    if (this.bids.size + this.asks.size > MOST_LEVELS) this.restated();
  }

  touched(): void {
    this.#some = true;
  }

  add(change: BookChange): void {
    this.touched();
    if (change.reset) this.restated();
    for (const side of ['bids', 'asks'] as const) for (const { price, size } of change[side]) this.level(side, price, size);
  }

  take(): BookChange | undefined {
    if (!this.#some) return undefined;
    const change = { reset: this.#reset, bids: levels(this.bids), asks: levels(this.asks) };
    this.#reset = this.#some = false;
    return change;
  }
}

/** Levels that wait one by one; beyond, reading the whole book anew is no dearer. */
const MOST_LEVELS = 4096;

function levels(changed: Map<number, number>): Level[] {
  const list = Array.from(changed, ([price, size]) => ({ price, size }));
  changed.clear();
  return list;
}

function isGroup(width: number): boolean {
  if (!Number.isSafeInteger(width) || width < 0) return false;
  while (width > 0 && width % 10 === 0) width /= 10;
  return [0, 1, 2, 5].includes(width);
}
