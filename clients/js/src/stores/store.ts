import { Core } from '../client.js';
import { FeedError } from '../errors.js';
import { Listeners, dispose } from '../listeners.js';
import { type Feed, feedOf } from '../subscriptions/feed.js';
import type { Holder, Kind, Topic } from '../subscriptions/topic.js';
import type { Clock, CoreClient, Grant, Listening, QuoteOptions, Stop, StoreStats, SubscribeResult } from '../types.js';

/** Over which the rate is averaged. */
const RATE_MS = 5000;

/** What stores of all channels share: the subscription, its results and grants, and its end. */
export abstract class BaseStore<T extends Topic, B> implements Holder {
  cadenceMs: number | undefined;
  /** Past events to begin with; undefined: the server's default. */
  readonly history: number | undefined = undefined;
  readonly buffer: number = 0;
  readonly results = new Map<string, SubscribeResult>();
  protected readonly feed: Feed;
  readonly #client: CoreClient;
  readonly #clock: Clock;
  protected readonly topics = new Map<string, T>();
  protected closed = false;
  protected readonly listeners: Listeners<readonly B[]>;
  readonly #kind: Kind;
  readonly #wanted: ReadonlySet<string>;
  readonly #resultListeners: Listeners<[symbol: string, result: SubscribeResult]>;
  readonly #grantListeners: Listeners<Grant>;
  readonly #signal: AbortSignal | undefined;
  readonly #counted = { rows: 0, batches: 0, conflated: 0, lost: 0, lagMs: undefined as number | undefined };
  /** Batches a second up to the last one, and when that was. */
  #rate = 0;
  #batchAt = 0;

  // What flush() has to tell of.
  #newResults: Array<[string, SubscribeResult]> = [];
  #regranted = false;
  #awaiting: Array<() => void> = [];

  constructor(client: CoreClient, kind: Kind, symbols: readonly string[], options: QuoteOptions) {
    if (!(client instanceof Core)) throw new FeedError('bad-option', 'client: want one of createClient, from this very copy of the package');
    for (const symbol of symbols) {
      if (typeof symbol !== 'string' || symbol === '')
        throw new FeedError(
          'bad-option',
          `symbol ${JSON.stringify(symbol)}: want "venue:SYMBOL", a pattern such as "binance:*USDT", or a list such as "@majors"`,
        );
    }
    checkWhole('cadenceMs', options.cadenceMs);
    const threw = (e: unknown) => client.threw(e);
    this.feed = feedOf(client);
    this.#client = client;
    this.#clock = client.clock;
    this.#kind = kind;
    this.cadenceMs = options.cadenceMs;
    this.#wanted = new Set(symbols);
    this.listeners = new Listeners(threw);
    this.#resultListeners = new Listeners(threw);
    this.#grantListeners = new Listeners(threw);
    this.#signal = options.signal;
  }

  /** Begins the subscription; called when the store is built whole. */
  protected start(): void {
    if (this.#signal?.aborted) {
      this.closed = true;
      return;
    }
    this.#signal?.addEventListener('abort', this.#onAbort);
    this.feed.subscriptions.hold(this.#kind, this, [...this.#wanted]);
    this.feed.begin(this.#kind);
  }

  symbols(): string[] {
    return [...this.topics.values()].filter((t) => t.entry !== undefined).map((t) => t.symbol);
  }

  setRate(cadenceMs: number): void {
    checkWhole('cadenceMs', cadenceMs);
    this.cadenceMs = cadenceMs;
    this.feed.subscriptions.schedule();
  }

  get grant(): Grant | undefined {
    let slowest: Grant | undefined;
    for (const { grant } of this.topics.values()) {
      if (grant !== undefined && (slowest === undefined || grant.cadenceMs > slowest.cadenceMs || grant.reason === 'paused'))
        slowest = grant;
    }
    return slowest;
  }

  grantOf(symbol: string): Grant | undefined {
    return this.topics.get(symbol)?.grant;
  }

  onGrant(fn: (grant: Grant) => void, options?: Listening): Stop {
    return this.#grantListeners.add(fn, options);
  }

  onResult(fn: (symbol: string, result: SubscribeResult) => void, options?: Listening): Stop {
    return this.#resultListeners.add(([symbol, result]) => fn(symbol, result), options);
  }

  ready(): Promise<ReadonlyMap<string, SubscribeResult>> {
    return new Promise((resolve) => {
      this.#awaiting.push(() => resolve(this.results));
      this.#settle();
    });
  }

  get stats(): StoreStats {
    return { ...this.#counted, rate: this.#rate * this.#fading(this.#clock.now()), transport: this.#client.transport };
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.feed.subscriptions.release(this, this.topics.values());
    this.endLoops();
    this.listeners.clear();
    this.#resultListeners.clear();
    this.#grantListeners.clear();
    this.#settle();
  }

  [dispose](): void {
    this.close();
  }

  // ---- as a Holder

  asked(symbol: string): boolean {
    return this.#wanted.has(symbol);
  }

  adopt(topic: T): void {
    if (topic.holders.has(this)) return;
    topic.holders.add(this);
    this.topics.set(topic.symbol, topic);
    this.catchUp(topic);
  }

  answered(symbol: string, result: SubscribeResult): void {
    this.results.set(symbol, result);
    this.#newResults.push([symbol, result]);
    this.feed.dirty(this);
  }

  granted(): void {
    this.#regranted = true;
    this.feed.dirty(this);
  }

  took(conflated: number, lagMs: number): void {
    this.#counted.conflated += conflated;
    this.#counted.lagMs = lagMs;
  }

  missed(count: number): void {
    this.#counted.lost += count;
  }

  // ---- delivery

  /** Hands out what came together since the last time. */
  flush(): void {
    for (const news of this.#newResults.splice(0)) this.#resultListeners.emit(news);
    this.#settle();
    if (this.#regranted) {
      this.#regranted = false;
      if (this.grant !== undefined) this.#grantListeners.emit(this.grant);
    }
    const batch = this.takeBatch();
    if (batch.length === 0 || this.closed) return;
    const now = this.#clock.now();
    this.#rate = this.#rate * this.#fading(now) + 1000 / RATE_MS;
    this.#batchAt = now;
    this.#counted.rows += batch.length;
    this.#counted.batches++;
    this.feedLoops(batch);
    this.listeners.emit(batch);
  }

  /** Takes over what a topic that other stores brought to life holds already. */
  protected abstract catchUp(topic: T): void;
  protected abstract takeBatch(): B[];
  protected abstract feedLoops(batch: readonly B[]): void;
  protected abstract endLoops(): void;

  /** What is left at a later time of a rate up to the last batch. */
  #fading(now: number): number {
    return Math.exp(-Math.max(0, now - this.#batchAt) / RATE_MS);
  }

  /** Answers those who wait to be ready. */
  #settle(): void {
    if (this.#awaiting.length === 0) return;
    if (!this.closed) for (const symbol of this.#wanted) if (!this.results.has(symbol)) return;
    for (const resolve of this.#awaiting.splice(0)) resolve();
  }

  readonly #onAbort = (): void => this.close();
}

/** Refuses anything but whole numbers from 0 to 2^32 - 1. */
export function checkWhole(name: string, value: number | undefined): void {
  if (value !== undefined && value >>> 0 !== value)
    throw new FeedError('bad-option', `${name} ${value}: want a whole number from 0 to 4294967295`);
}
