import { Batches } from './batches.js';
import { Held } from './held.js';
import { BaseStore, checkWhole } from './store.js';
import { TRADES, type TradeHolder, type TradeTopic } from './trades.js';
import type { CoreClient, Listening, MissedTrades, Stop, TradeEvent, TradeOptions, TradeRow, TradeStore } from '../types.js';

const DEFAULT_BUFFER = 200;
const MIN_QUEUE = 1000;

interface Loop {
  readonly queue: Queue;
  readonly batches: Batches<TradeEvent[]>;
}

export class Trades extends BaseStore<TradeTopic, TradeEvent> implements TradeStore, TradeHolder {
  override readonly history: number | undefined;
  override readonly buffer: number;
  #pending: TradeEvent[] = [];
  readonly #loops = new Set<Loop>();
  readonly #held = new Held<TradeRow>();

  constructor(client: CoreClient, symbols: readonly string[], options: TradeOptions = {}) {
    super(client, TRADES, symbols, options);
    checkWhole('history', options.history);
    checkWhole('buffer', options.buffer);
    this.history = options.history;
    this.buffer = options.buffer ?? DEFAULT_BUFFER;
    this.start();
  }

  get(symbol: string): readonly TradeRow[] {
    return this.#held.get(symbol, () => this.topics.get(symbol)?.newest(this.buffer) ?? []);
  }

  subscribe(fn: (events: readonly TradeEvent[]) => void, options?: Listening): Stop {
    return this.listeners.add(fn, options);
  }

  /** A loop that falls behind its bounded queue is told what it lost. */
  [Symbol.asyncIterator](): AsyncIterator<TradeEvent[]> {
    const queue = new Queue(Math.max(MIN_QUEUE, 4 * this.buffer));
    const loop: Loop = {
      queue,
      batches: new Batches<TradeEvent[]>(
        () => queue.take(),
        () => this.#loops.delete(loop),
      ),
    };
    this.#loops.add(loop);
    if (this.closed) loop.batches.end();
    return loop.batches;
  }

  happened(event: TradeEvent): void {
    this.#held.forget(event.type === 'trade' ? event.trade.symbol : event.symbol);
    this.#pending.push(event);
    this.feed.dirty(this);
  }

  protected catchUp(topic: TradeTopic): void {
    this.#held.forget(topic.symbol);
    for (const event of topic.replay(Math.min(this.buffer, this.history ?? this.buffer))) this.happened(event);
  }

  protected takeBatch(): TradeEvent[] {
    return this.#pending.splice(0);
  }

  protected feedLoops(batch: readonly TradeEvent[]): void {
    for (const loop of this.#loops) {
      loop.queue.add(batch);
      loop.batches.wake();
    }
  }

  protected endLoops(): void {
    for (const loop of this.#loops) loop.batches.end();
  }
}

/** Events that wait for a loop, at most `most`; of the oldest that had to go only the ranges stay. */
class Queue {
  #events: TradeEvent[] = [];
  readonly #most: number;
  /** By symbol and epoch. */
  readonly #lost = new Map<string, MissedTrades>();

  constructor(most: number) {
    this.#most = most;
  }

  add(events: readonly TradeEvent[]): void {
    for (const event of events) this.#events.push(event);
    const over = this.#events.length - this.#most;
    // A quarter at a time, so that adding stays cheap for a loop that never keeps up.
    if (over > 0) for (const event of this.#events.splice(0, over + (this.#most >> 2))) this.#drop(event);
  }

  take(): TradeEvent[] | undefined {
    if (this.#events.length === 0) return undefined;
    const lost: TradeEvent[] = [...this.#lost.values()].map((m) => ({ type: 'lost', by: 'consumer', ...m }));
    this.#lost.clear();
    return lost.concat(this.#events.splice(0));
  }

  #drop(event: TradeEvent): void {
    const { symbol, epoch, from, to, count } =
      event.type === 'trade' ? { ...event.trade, from: event.trade.sequence, to: event.trade.sequence, count: 1 } : event;
    const key = `${symbol} ${epoch}`;
    const before = this.#lost.get(key);
    this.#lost.set(key, { symbol, epoch, from: before?.from ?? from, to, count: (before?.count ?? 0) + count });
  }
}
