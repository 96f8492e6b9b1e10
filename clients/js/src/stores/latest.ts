/** Stores of State channels: the latest of each symbol, never a backlog. */

import { Batches } from './batches.js';
import { BaseStore } from './store.js';
import { type Holder, type Kind, Topic } from '../subscriptions/topic.js';
import type { CoreClient, LatestStore, Listening, QuoteOptions, Stop } from '../types.js';

export interface LatestHolder<R> extends Holder {
  changed(row: R): void;
}

/** A topic whose state is one row, replaced as it changes. */
export abstract class LatestTopic<R> extends Topic<LatestHolder<R>> {
  row: R | undefined;

  protected hand(row: R): void {
    this.row = row;
    for (const holder of this.holders) holder.changed(row);
  }
}

interface Loop<R> {
  readonly pending: Map<string, R>;
  readonly batches: Batches<R[]>;
}

export class Latest<R extends { readonly symbol: string }>
  extends BaseStore<LatestTopic<R>, R>
  implements LatestStore<R>, LatestHolder<R>
{
  /** The latest of each symbol since the last flush. */
  readonly #pending = new Map<string, R>();
  readonly #loops = new Set<Loop<R>>();

  constructor(client: CoreClient, kind: Kind, symbols: readonly string[], options: QuoteOptions = {}) {
    super(client, kind, symbols, options);
    this.start();
  }

  get(symbol: string): R | undefined {
    return this.topics.get(symbol)?.row;
  }

  rows(): R[] {
    const rows: R[] = [];
    for (const { row } of this.topics.values()) if (row !== undefined) rows.push(row);
    return rows;
  }

  subscribe(fn: (changed: readonly R[]) => void, options?: Listening): Stop {
    return this.listeners.add(fn, options);
  }

  /** Begins with the rows there are. A slow loop finds the latest of each symbol, never a backlog. */
  [Symbol.asyncIterator](): AsyncIterator<R[]> {
    const loop: Loop<R> = {
      pending: new Map(this.first().map((row) => [row.symbol, row])),
      batches: new Batches<R[]>(
        () => {
          if (loop.pending.size === 0) return undefined;
          const rows = [...loop.pending.values()];
          loop.pending.clear();
          return rows;
        },
        () => this.#loops.delete(loop),
      ),
    };
    this.#loops.add(loop);
    if (this.closed) loop.batches.end();
    return loop.batches;
  }

  changed(row: R): void {
    this.#put(this.#pending, row);
    this.feed.dirty(this);
  }

  /** The rows that a loop begins with. */
  protected first(): R[] {
    return this.rows();
  }

  /** What two rows of a symbol come to that met before they were handed out. */
  protected merged(_before: R, row: R): R {
    return row;
  }

  protected catchUp(topic: LatestTopic<R>): void {
    if (topic.row !== undefined) this.changed(topic.row);
  }

  protected takeBatch(): R[] {
    const batch = [...this.#pending.values()];
    this.#pending.clear();
    return batch;
  }

  protected feedLoops(batch: readonly R[]): void {
    for (const loop of this.#loops) {
      for (const row of batch) this.#put(loop.pending, row);
      loop.batches.wake();
    }
  }

  protected endLoops(): void {
    for (const loop of this.#loops) loop.batches.end();
  }

  #put(pending: Map<string, R>, row: R): void {
    const before = pending.get(row.symbol);
    pending.set(row.symbol, before === undefined ? row : this.merged(before, row));
  }
}
