import { Levels, checksum } from './levels.js';
import type { Applied } from './rows.js';
import { type Holder, type Kind, type Moment, PLAIN, Topic, viewKey } from '../subscriptions/topic.js';
import type { Epoch, Quality, RowTimes } from '../types.js';
import { type WireBook, bookRows } from '../wire/pictures.js';

const kinds = new Map<string, Kind<BookTopic>>();

/** The channel of books in one view. */
export function bookKind(depth: number, priceGroup: number): Kind<BookTopic> {
  const view = { ...PLAIN, depth, priceGroup };
  const key = viewKey(view);
  let kind = kinds.get(key);
  if (kind === undefined) {
    const made: Kind<BookTopic> = { channel: 'book', view, rows: bookRows, make: (symbol) => new BookTopic(made, symbol) };
    kinds.set(key, (kind = made));
  }
  return kind;
}

export interface BookHolder extends Holder {
  /** The whole book is another, or its state. */
  restated(): void;
  level(side: 'bids' | 'asks', price: number, size: number): void;
  /** Completeness or quality changed, the levels did not. */
  touched(): void;
}

/** empty: no row of this subscription yet. arriving: a part of the whole. whole: differences fit. */
type State = 'empty' | 'arriving' | 'whole';

export class BookTopic extends Topic<BookHolder> {
  readonly list = 'books';
  readonly bids = new Levels(1);
  readonly asks = new Levels(-1);
  readonly checksums = { right: 0, wrong: 0 };
  times: RowTimes | undefined;
  #transitMs = 0;

  // Of one subscription on one connection.
  #state: State = 'empty';
  /** Position of the view that is arriving in parts. */
  #arriving: { epoch: Epoch; sequence: number } | undefined;

  override unbind(): void {
    super.unbind();
    this.#void('ok');
  }

  get complete(): boolean {
    return this.#state === 'whole';
  }

  get quality(): Quality {
    const quality = this.entry?.status.quality ?? 'unknown';
    if (this.phase === 'refused') return 'suspect'; // it is had no more
    return this.complete ? quality : quality === 'suspect' ? quality : 'syncing';
  }

  apply(wire: WireBook, at: Moment): Applied {
    if (wire.unsafe) return this.#void('unsafe');
    const full = wire.sequence !== 0;
    if (full) this.#begin(wire);
    else if (this.#state !== 'whole') return this.#void('no-base');
    this.#transitMs += wire.transitMs;
    if (!this.#levels('bids', wire.bids, full) || !this.#levels('asks', wire.asks, full)) return this.#void('unsafe');
    const ingestTimeUs = (this.ingestTimeUs = at.cutTimeUs - 1000 * wire.ageMs);
    this.times = { exchangeTimeUs: ingestTimeUs - 1000 * this.#transitMs, ingestTimeUs, ...at };
    if (full && wire.partial) return 'ok';
    if (full) {
      this.#state = 'whole';
      this.repairAt = undefined;
      for (const holder of this.holders) holder.restated();
    }
    return this.#verify(wire);
  }

  statusChanged(): void {
    for (const holder of this.holders) holder.touched();
  }

  /** A full row: the first part of another view than the one that was arriving voids what is held. */
  #begin({ epoch, sequence }: WireBook): void {
    const arriving = this.#arriving;
    this.#transitMs = 0;
    if (this.#state === 'arriving' && arriving?.epoch === epoch && arriving.sequence === sequence) return;
    this.bids.clear();
    this.asks.clear();
    this.#state = 'arriving';
    this.#arriving = { epoch, sequence };
  }

  /** Applies pairs of price and size; false: a price beyond 2^53. */
  #levels(name: 'bids' | 'asks', pairs: readonly number[], full: boolean): boolean {
    const side = this[name];
    let price = 0;
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      price += pairs[i]!;
      if (!Number.isSafeInteger(price)) return false;
      const size = pairs[i + 1]!;
      side.set(price, size);
      if (!full) for (const holder of this.holders) holder.level(name, price, size);
    }
    return true;
  }

  #verify(wire: WireBook): Applied {
    if (wire.checksum < 0) return 'ok';
    if (checksum(this.bids, this.asks) === wire.checksum) {
      this.checksums.right++;
      return 'ok';
    }
    this.checksums.wrong++;
    return this.#void('mismatch');
  }

  /** Differences no longer fit. */
  #void(why: Applied): Applied {
    const told = this.#state === 'whole';
    this.#state = 'empty';
    if (told) this.statusChanged();
    return why;
  }
}
