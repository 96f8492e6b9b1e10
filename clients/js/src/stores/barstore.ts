import { BAR_SECONDS, type BarHolder, type BarTopic, barKind } from './bars.js';
import { Batches } from './batches.js';
import { FeedError } from '../errors.js';
import { Held } from './held.js';
import { BaseStore, checkWhole } from './store.js';
import type { BarEvent, BarOptions, BarRow, BarStore, CoreClient, Listening, Stop } from '../types.js';

const DEFAULT_BUFFER = 1500;

interface Loop {
  readonly pending: Pending;
  readonly batches: Batches<BarEvent[]>;
}

export class Bars extends BaseStore<BarTopic, BarEvent> implements BarStore, BarHolder {
  override readonly history: number | undefined;
  override readonly buffer: number;
  readonly seconds: number;
  readonly #pending = new Pending();
  readonly #loops = new Set<Loop>();
  readonly #held = new Held<BarRow>();

  constructor(client: CoreClient, symbols: readonly string[], options: BarOptions = {}) {
    const seconds = options.seconds ?? 60;
    if (!BAR_SECONDS.includes(seconds)) throw new FeedError('bad-option', `seconds ${seconds}: want one of ${BAR_SECONDS.join(', ')}`);
    super(client, barKind(seconds), symbols, options);
    checkWhole('history', options.history);
    checkWhole('buffer', options.buffer);
    this.seconds = seconds;
    this.history = options.history;
    this.buffer = options.buffer ?? DEFAULT_BUFFER;
    this.start();
  }

  get(symbol: string): readonly BarRow[] {
    return this.#held.get(symbol, () => this.topics.get(symbol)?.newest(this.buffer) ?? []);
  }

  subscribe(fn: (events: readonly BarEvent[]) => void, options?: Listening): Stop {
    return this.listeners.add(fn, options);
  }

  /** Begins with the bars there are. A slow loop finds each bar once, as it is by then. */
  [Symbol.asyncIterator](): AsyncIterator<BarEvent[]> {
    const pending = new Pending(4 * this.buffer + 64);
    for (const symbol of this.topics.keys()) for (const bar of this.get(symbol)) pending.add({ type: 'bar', bar, first: true });
    const loop: Loop = {
      pending,
      batches: new Batches<BarEvent[]>(
        () => {
          const events = pending.take();
          return events.length === 0 ? undefined : events;
        },
        () => this.#loops.delete(loop),
      ),
    };
    this.#loops.add(loop);
    if (this.closed) loop.batches.end();
    return loop.batches;
  }

  happened(event: BarEvent): void {
    this.#held.forget(event.type === 'bar' ? event.bar.symbol : event.symbol);
    this.#pending.add(event);
    this.feed.dirty(this);
  }

  protected catchUp(topic: BarTopic): void {
    this.#held.forget(topic.symbol);
    for (const bar of topic.newest(Math.min(this.buffer, this.history ?? this.buffer))) this.happened({ type: 'bar', bar, first: true });
  }

  protected takeBatch(): BarEvent[] {
    return this.#pending.take();
  }

  protected feedLoops(batch: readonly BarEvent[]): void {
    for (const loop of this.#loops) {
      for (const event of batch) loop.pending.add(event);
      loop.batches.wake();
    }
  }

  protected endLoops(): void {
    for (const loop of this.#loops) loop.batches.end();
  }
}

/** Events that wait to be handed out, each bar once in its latest form; at most `most`, of which the oldest are let go. */
class Pending {
  #events: BarEvent[] = [];
  readonly #most: number;
  /** Where a bar waits, by symbol and start. */
  readonly #at = new Map<string, number>();
  /** Symbols of which something had to go: their bars are to be read anew. */
  readonly #cut = new Set<string>();

  constructor(most = Infinity) {
    this.#most = most;
  }

  add(event: BarEvent): void {
    if (event.type !== 'bar') {
      this.#events.push(event);
      this.#at.clear(); // what comes behind must not go ahead of it
      return;
    }
    const key = `${event.bar.startS} ${event.bar.symbol}`;
    const at = this.#at.get(key);
    const waiting = at === undefined ? undefined : this.#events[at];
    if (waiting?.type === 'bar') this.#events[at!] = { ...event, first: waiting.first };
    else {
      this.#at.set(key, this.#events.length);
      this.#events.push(event);
    }
    if (this.#events.length > this.#most) this.#shorten();
  }

  take(): BarEvent[] {
    const resets = [...this.#cut].map((symbol): BarEvent => ({ type: 'reset', symbol }));
    const events = resets.concat(this.#events.splice(0));
    this.#at.clear();
    this.#cut.clear();
    return events;
  }

  /** Lets a quarter go, so that adding stays cheap for a loop that never keeps up. */
  #shorten(): void {
    for (const e of this.#events.splice(0, (this.#most >> 2) + 1)) this.#cut.add(e.type === 'bar' ? e.bar.symbol : e.symbol);
    this.#at.clear();
  }
}
