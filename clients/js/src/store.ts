import { FeedError } from './errors.js';
import { Listeners } from './listeners.js';
import type { Subscriptions } from './subscriptions.js';
import type { Holder, Kind, Topic } from './topic.js';
import type { Grant, QuoteOptions, StoreStats, SubscribeResult } from './types.js';

/** What a store needs of the client. */
export interface Host {
  readonly subscriptions: Subscriptions;
  /** Calls the store's flush() when the frame, or the running code, is done. */
  dirty(store: { flush(): void }): void;
  /** A listener threw. */
  threw(thrown: unknown): void;
}

// Old engines have no Symbol.dispose; `using` does not exist there either, and the method does no harm.
export const dispose: typeof Symbol.dispose = Symbol.dispose ?? (Symbol.for('Symbol.dispose') as typeof Symbol.dispose);

/** What stores of all channels share: the subscription, its results and grants, and its end. */
export abstract class BaseStore<T extends Topic, B> implements Holder {
  cadenceMs: number | undefined;
  /** Past events to begin with; undefined: the server's default. */
  readonly history: number | undefined = undefined;
  readonly buffer: number = 0;
  readonly results = new Map<string, SubscribeResult>();
  protected readonly topics = new Map<string, T>();
  protected closed = false;
  protected readonly listeners: Listeners<readonly B[]>;
  private readonly wanted: ReadonlySet<string>;
  private readonly resultListeners: Listeners<[symbol: string, result: SubscribeResult]>;
  private readonly grantListeners: Listeners<Grant>;
  private readonly signal: AbortSignal | undefined;
  private counted = { rows: 0, batches: 0 };

  // What flush() has to tell of.
  private newResults: Array<[string, SubscribeResult]> = [];
  private regranted = false;

  constructor(
    protected readonly host: Host,
    readonly kind: Kind,
    symbols: readonly string[],
    options: QuoteOptions,
  ) {
    for (const symbol of symbols) {
      if (typeof symbol !== 'string' || symbol === '')
        throw new FeedError(
          'bad-option',
          `symbol ${JSON.stringify(symbol)}: want "venue:SYMBOL", a pattern such as "binance:*USDT", or a list such as "@majors"`,
        );
    }
    checkWhole('cadenceMs', options.cadenceMs);
    this.cadenceMs = options.cadenceMs;
    this.wanted = new Set(symbols);
    this.listeners = new Listeners((e) => host.threw(e));
    this.resultListeners = new Listeners((e) => host.threw(e));
    this.grantListeners = new Listeners((e) => host.threw(e));
    this.signal = options.signal;
  }

  /** Begins the subscription; called when the store is built whole. */
  protected start(): void {
    if (this.signal?.aborted) {
      this.closed = true;
      return;
    }
    this.signal?.addEventListener('abort', this.onAbort);
    this.host.subscriptions.hold(this.kind, this, [...this.wanted]);
  }

  symbols(): string[] {
    return [...this.topics.values()].filter((t) => t.entry !== undefined).map((t) => t.symbol);
  }

  setRate(cadenceMs: number): void {
    checkWhole('cadenceMs', cadenceMs);
    this.cadenceMs = cadenceMs;
    this.host.subscriptions.schedule();
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

  onGrant(fn: (grant: Grant) => void): () => void {
    return this.grantListeners.add(fn);
  }

  onResult(fn: (symbol: string, result: SubscribeResult) => void): () => void {
    return this.resultListeners.add(([symbol, result]) => fn(symbol, result));
  }

  get stats(): StoreStats {
    return { ...this.counted };
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.signal?.removeEventListener('abort', this.onAbort);
    this.host.subscriptions.release(this, this.topics.values());
    this.endLoops();
    this.listeners.clear();
    this.resultListeners.clear();
    this.grantListeners.clear();
  }

  [dispose](): void {
    this.close();
  }

  // ---- as a Holder

  asked(symbol: string): boolean {
    return this.wanted.has(symbol);
  }

  adopt(topic: T): void {
    if (topic.holders.has(this)) return;
    topic.holders.add(this);
    this.topics.set(topic.symbol, topic);
    this.catchUp(topic);
  }

  answered(symbol: string, result: SubscribeResult): void {
    this.results.set(symbol, result);
    this.newResults.push([symbol, result]);
    this.host.dirty(this);
  }

  granted(): void {
    this.regranted = true;
    this.host.dirty(this);
  }

  // ---- delivery

  /** Hands out what came together since the last time. */
  flush(): void {
    for (const news of this.newResults.splice(0)) this.resultListeners.emit(news);
    if (this.regranted) {
      this.regranted = false;
      if (this.grant !== undefined) this.grantListeners.emit(this.grant);
    }
    const batch = this.takeBatch();
    if (batch.length === 0 || this.closed) return;
    this.counted.rows += batch.length;
    this.counted.batches++;
    this.feedLoops(batch);
    this.listeners.emit(batch);
  }

  /** Takes over what a topic that other stores brought to life holds already. */
  protected abstract catchUp(topic: T): void;
  protected abstract takeBatch(): B[];
  protected abstract feedLoops(batch: readonly B[]): void;
  protected abstract endLoops(): void;

  private readonly onAbort = (): void => this.close();
}

/** Refuses anything but whole numbers from 0 to 2^32 - 1. */
export function checkWhole(name: string, value: number | undefined): void {
  if (value !== undefined && value >>> 0 !== value)
    throw new FeedError('bad-option', `${name} ${value}: want a whole number from 0 to 4294967295`);
}
