import { systemClock } from './clock.js';
import { Connection } from './connection.js';
import { FeedError } from './errors.js';
import { type InstrumentEntry, Instruments } from './instruments.js';
import { Listeners, reportGlobally } from './listeners.js';
import { Quotes } from './quotestore.js';
import { type Host, dispose } from './store.js';
import { Subscriptions } from './subscriptions.js';
import type { Topic } from './topics.js';
import type {
  Client,
  ClientEvents,
  ClientOptions,
  Clock,
  InstrumentStatus,
  QuoteOptions,
  QuoteStore,
  TradeOptions,
  TradeStore,
} from './types.js';
import { Trades } from './tradestore.js';
import type { Applied } from './rows.js';
import type { ServerFrame } from './wire/frame.js';

/** What servers take of a client's name. */
const MAX_CLIENT_BYTES = 128;

/** Makes a client; nothing is opened before connect(), quotes() or trades(). Throws FeedError bad-option. */
export function createClient(options: ClientOptions): Client {
  if (typeof options.url !== 'string' || options.url === '') {
    throw new FeedError('bad-option', 'url: want the address of the service, such as wss://host/v1/ws');
  }
  if (options.client !== undefined && new TextEncoder().encode(options.client).length > MAX_CLIENT_BYTES) {
    throw new FeedError('bad-option', `client ${JSON.stringify(options.client)}: want at most ${MAX_CLIENT_BYTES} bytes`);
  }
  return new FeedClient(options);
}

class FeedClient implements Client, Host {
  readonly subscriptions: Subscriptions;
  private readonly connection: Connection;
  private readonly clock: Clock;
  private readonly instruments = new Instruments();
  private readonly counted = { frames: 0, bytes: 0, rows: 0, conflated: 0, lost: 0 };
  private readonly listeners: { [E in keyof ClientEvents]: Listeners<ClientEvents[E]> };

  // What is to be told once the frame, or the running code, is done. Listeners never run in the middle of
  // a frame: whatever they call finds the client in order.
  private dirtyStores = new Set<{ flush(): void }>();
  private newStatuses = new Set<InstrumentEntry>();
  private news: Array<() => void> = [];
  private applying = false;
  private flushPlanned = false;

  constructor(options: ClientOptions) {
    this.clock = options.clock ?? systemClock();
    const threw = (e: unknown) => this.threw(e);
    this.listeners = {
      state: new Listeners(threw),
      error: new Listeners(reportGlobally), // one that throws is not called again for its own error
      source: new Listeners(threw),
      status: new Listeners(threw),
      goaway: new Listeners(threw),
    };
    const error = (e: FeedError) => this.tell(() => this.listeners.error.emit(e));
    this.connection = new Connection(options, this.clock, options.random ?? Math.random, {
      welcomed: (welcome) => this.subscriptions.welcomed(welcome.limits),
      frame: (frame, bytes) => this.apply(frame, bytes),
      down: () => this.down(),
      state: (e) => this.listeners.state.emit(e),
      error,
      goaway: (e) => this.listeners.goaway.emit(e),
    });
    this.subscriptions = new Subscriptions({
      clock: this.clock,
      instruments: this.instruments,
      send: (request) => this.connection.send(request),
      error,
      missed: (count) => void (this.counted.lost += count),
    });
  }

  get state() {
    return this.connection.state;
  }

  get session() {
    return this.connection.session;
  }

  connect(): void {
    this.connection.connect();
  }

  close(): void {
    this.connection.close();
  }

  reconnectNow(): void {
    this.connection.reconnectNow();
  }

  [dispose](): void {
    this.close();
  }

  on<E extends keyof ClientEvents>(event: E, fn: (e: ClientEvents[E]) => void): () => void {
    return this.listeners[event].add(fn);
  }

  get latency() {
    const best = this.connection.latency.best;
    return best === undefined ? {} : { rttMs: best.rttMs, clockOffsetMs: best.offsetMs };
  }

  serverNow(): number {
    return this.clock.now() + (this.connection.latency.best?.offsetMs ?? 0);
  }

  get traffic() {
    return { ...this.counted };
  }

  quotes(symbols: readonly string[], options: QuoteOptions = {}): QuoteStore {
    const store = new Quotes(this, symbols, options);
    if (this.state === 'idle') this.connect();
    return store;
  }

  trades(symbols: readonly string[], options: TradeOptions = {}): TradeStore {
    const store = new Trades(this, symbols, options);
    if (this.state === 'idle') this.connect();
    return store;
  }

  statusOf(symbol: string): InstrumentStatus | undefined {
    return this.instruments.get(symbol)?.status;
  }

  setVisibility(visibility: 'shown' | 'hidden' | 'paused'): void {
    if (visibility !== 'shown' && visibility !== 'hidden' && visibility !== 'paused')
      throw new FeedError('bad-option', `visibility ${String(visibility)}: want "shown", "hidden" or "paused"`);
    this.subscriptions.setVisibility(visibility);
  }

  // ---- as a Host

  dirty(store: { flush(): void }): void {
    this.dirtyStores.add(store);
    if (!this.applying) this.planFlush();
  }

  threw(thrown: unknown): void {
    const unheard = this.listeners.error.empty;
    this.listeners.error.emit(new FeedError('callback', `a listener threw ${String(thrown)}`, true, { cause: thrown }));
    if (unheard) reportGlobally(thrown);
  }

  // ---- frames

  private apply(frame: ServerFrame, bytes: number): void {
    this.applying = true;
    this.counted.frames++;
    this.counted.bytes += bytes;
    this.counted.rows += frame.quotes.length + frame.trades.length;
    this.counted.conflated += frame.conflated;
    this.subscriptions.apply(frame);
    this.applyStatuses(frame);
    this.applyRows(frame);
    this.applying = false;
    if (!frame.partial) this.flush(); // else more of the same moment follows
  }

  private down(): void {
    this.subscriptions.down();
    this.instruments.down();
    this.planFlush();
  }

  private planFlush(): void {
    if (this.flushPlanned) return;
    this.flushPlanned = true;
    queueMicrotask(() => {
      this.flushPlanned = false;
      this.flush();
    });
  }

  private flush(): void {
    for (const tell of this.news.splice(0)) tell();
    const { newStatuses, dirtyStores } = this;
    this.newStatuses = new Set();
    this.dirtyStores = new Set();
    for (const entry of newStatuses) this.listeners.status.emit(entry.status);
    for (const store of dirtyStores) store.flush();
  }

  private tell(news: () => void): void {
    if (this.applying) this.news.push(news);
    else news();
  }

  private applyStatuses(frame: ServerFrame): void {
    for (const wire of frame.sourceStatuses) {
      const { source, changed } = this.instruments.applySource(wire);
      this.news.push(() => this.listeners.source.emit(source));
      for (const entry of changed) this.statusChanged(entry);
    }
    for (const wire of frame.statuses) {
      const entry = this.instruments.applyStatus(wire);
      if (entry !== undefined) this.statusChanged(entry);
    }
  }

  private statusChanged(entry: InstrumentEntry): void {
    this.newStatuses.add(entry);
    this.subscriptions.quotes.get(entry.instrument.symbol)?.statusChanged();
  }

  private applyRows(frame: ServerFrame): void {
    const { subscriptions } = this;
    const at = { cutTimeUs: frame.cutTimeUs, receivedMs: this.clock.now() };
    for (const wire of frame.quotes) {
      const topic = subscriptions.quoteOf(wire.handle);
      if (topic !== undefined) this.check(topic, topic.apply(wire, at));
    }
    for (const hole of frame.losses) subscriptions.tradesOf(hole.handle)?.hole('lost', hole);
    for (const hole of frame.gaps) subscriptions.tradesOf(hole.handle)?.hole('gap', hole);
    for (const wire of frame.trades) {
      const topic = subscriptions.tradesOf(wire.handle);
      if (topic !== undefined) this.check(topic, topic.apply(wire, at));
    }
    for (const hole of frame.losses) subscriptions.tradesOf(hole.handle)?.settle();
    for (const hole of frame.gaps) subscriptions.tradesOf(hole.handle)?.settle();
  }

  private check(topic: Topic<any>, applied: Applied): void {
    if (applied === 'no-base')
      this.subscriptions.repair(
        topic,
        new FeedError('protocol', `${topic.symbol}: a difference without a full row before it`, true),
      );
    if (applied === 'unsafe')
      this.subscriptions.repair(
        topic,
        new FeedError(
          'unsafe-integer',
          `${topic.symbol}: a ${topic.channel} with a number beyond 2^53, which JavaScript cannot hold exactly`,
          true,
        ),
      );
  }
}
