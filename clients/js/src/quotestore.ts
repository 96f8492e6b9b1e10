import { Batches } from './batches.js';
import { BaseStore, type Host } from './store.js';
import type { QuoteHolder, QuoteTopic } from './topics.js';
import type { QuoteOptions, QuoteRow, QuoteStore } from './types.js';

interface Loop {
  readonly pending: Map<string, QuoteRow>;
  readonly batches: Batches<QuoteRow[]>;
}

export class Quotes extends BaseStore<QuoteTopic, QuoteRow> implements QuoteStore, QuoteHolder {
  /** The latest of each symbol since the last flush. */
  private pending = new Map<string, QuoteRow>();
  private readonly loops = new Set<Loop>();

  constructor(host: Host, symbols: readonly string[], options: QuoteOptions) {
    super(host, 'quote', symbols, options);
    this.start();
  }

  get(symbol: string): QuoteRow | undefined {
    return this.topics.get(symbol)?.row;
  }

  rows(): QuoteRow[] {
    const rows: QuoteRow[] = [];
    for (const { row } of this.topics.values()) if (row !== undefined) rows.push(row);
    return rows;
  }

  subscribe(fn: (changed: readonly QuoteRow[]) => void): () => void {
    return this.listeners.add(fn);
  }

  /** Begins with the rows there are. A slow loop finds the latest of each symbol, never a backlog. */
  [Symbol.asyncIterator](): AsyncIterator<QuoteRow[]> {
    const loop: Loop = {
      pending: new Map(this.rows().map((row) => [row.symbol, row])),
      batches: new Batches<QuoteRow[]>(
        () => {
          if (loop.pending.size === 0) return undefined;
          const rows = [...loop.pending.values()];
          loop.pending.clear();
          return rows;
        },
        () => this.loops.delete(loop),
      ),
    };
    this.loops.add(loop);
    if (this.closed) loop.batches.end();
    return loop.batches;
  }

  changed(row: QuoteRow): void {
    this.pending.set(row.symbol, row);
    this.host.dirty(this);
  }

  protected catchUp(topic: QuoteTopic): void {
    if (topic.row !== undefined) this.changed(topic.row);
  }

  protected takeBatch(): QuoteRow[] {
    const batch = [...this.pending.values()];
    this.pending.clear();
    return batch;
  }

  protected feedLoops(batch: readonly QuoteRow[]): void {
    for (const loop of this.loops) {
      for (const row of batch) loop.pending.set(row.symbol, row);
      loop.batches.wake();
    }
  }

  protected endLoops(): void {
    for (const loop of this.loops) loop.batches.end();
  }
}
