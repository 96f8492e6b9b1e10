import { systemClock } from './clock.js';
import { Connection } from './connection.js';
import { FeedError } from './errors.js';
import { type InstrumentEntry, Instruments } from './instruments.js';
import { Latest } from './latest.js';
import { Listeners, reportGlobally } from './listeners.js';
import { QUOTES } from './quotes.js';
import type { Applied } from './rows.js';
import { type Host, dispose } from './store.js';
import { Subscriptions } from './subscriptions.js';
import type { Topic } from './topic.js';
import { Trades } from './tradestore.js';
import type {
  ClientEvents,
  ClientOptions,
  Clock,
  InstrumentStatus,
  QuoteOptions,
  QuoteRow,
  QuoteStore,
  TickClient,
  TradeOptions,
  TradeStore,
} from './types.js';
import type { Decoder, Rows, ServerFrame } from './wire/frame.js';

/** What servers take of a client's name. */
const MAX_CLIENT_BYTES = 128;

/** The lists of rows in a frame. Losses and gaps go ahead of them, so that each event finds its place. */
const LISTS: ReadonlyArray<keyof Rows> = ['quotes', 'trades', 'books', 'bars', 'stats', 'summaries'];

/** What all clients do. The decoder says which channels it can have. */
export class CoreClient implements TickClient, Host {
  readonly subscriptions: Subscriptions;
  private readonly connection: Connection;
  private readonly clock: Clock;
  private readonly instruments = new Instruments();
  private readonly counted = { frames: 0, bytes: 0, rows: 0, conflated: 0, lost: 0, mismatches: 0 };
  private readonly listeners: { [E in keyof ClientEvents]: Listeners<ClientEvents[E]> };

  // What is to be told once the frame, or the running code, is done. Listeners never run in the middle of
  // a frame: whatever they call finds the client in order.
  private dirtyStores = new Set<{ flush(): void }>();
  private newStatuses = new Set<InstrumentEntry>();
  private news: Array<() => void> = [];
  private applying = false;
  private flushPlanned = false;

  constructor(options: ClientOptions, decode: Decoder) {
    check(options);
    this.clock = options.clock ?? systemClock();
    const threw = (e: unknown) => this.threw(e);
    this.listeners = {
      state: new Listeners(threw),
      error: new Listeners(reportGlobally), // one that throws is not called again for its own error
      source: new Listeners(threw),
      status: new Listeners(threw),
      goaway: new Listeners(threw),
      instrument: new Listeners(threw),
    };
    const error = (e: FeedError) => this.tell(() => this.listeners.error.emit(e));
    this.connection = new Connection(options, decode, this.clock, options.random ?? Math.random, {
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
      redefined: (entry) => this.redefined(entry),
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
    return this.opened(new Latest<QuoteRow>(this, QUOTES, symbols, options));
  }

  trades(symbols: readonly string[], options: TradeOptions = {}): TradeStore {
    return this.opened(new Trades(this, symbols, options));
  }

  statusOf(symbol: string): InstrumentStatus | undefined {
    return this.instruments.get(symbol)?.status;
  }

  setVisibility(visibility: 'shown' | 'hidden' | 'paused'): void {
    if (visibility !== 'shown' && visibility !== 'hidden' && visibility !== 'paused')
      throw new FeedError('bad-option', `visibility ${String(visibility)}: want "shown", "hidden" or "paused"`);
    this.subscriptions.setVisibility(visibility);
  }

  protected opened<S>(store: S): S {
    if (this.state === 'idle') this.connect();
    return store;
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
      const { source, all, changed } = this.instruments.applySource(wire);
      this.news.push(() => this.listeners.source.emit(source));
      for (const entry of changed) this.newStatuses.add(entry);
      for (const entry of all) this.touched(entry);
    }
    for (const wire of frame.statuses) {
      const entry = this.instruments.applyStatus(wire);
      if (entry === undefined) continue;
      this.newStatuses.add(entry);
      this.touched(entry);
    }
  }

  private redefined(entry: InstrumentEntry): void {
    this.news.push(() => this.listeners.instrument.emit(entry.instrument));
    this.touched(entry);
  }

  private touched(entry: InstrumentEntry): void {
    for (const topic of entry.watchers) topic.statusChanged();
  }

  private applyRows(frame: ServerFrame): void {
    const { subscriptions } = this;
    const at = { cutTimeUs: frame.cutTimeUs, receivedMs: this.clock.now() };
    for (const hole of frame.losses) subscriptions.holderOf(hole.handle)?.hole('lost', hole);
    for (const hole of frame.gaps) subscriptions.holderOf(hole.handle)?.hole('gap', hole);
    for (const list of LISTS) {
      const rows = frame[list] ?? [];
      this.counted.rows += rows.length;
      for (const wire of rows) {
        const topic = subscriptions.topicOf(wire.handle, list);
        if (topic !== undefined) this.check(topic, topic.apply(wire, at));
      }
    }
    for (const hole of frame.losses) subscriptions.holderOf(hole.handle)?.settle();
    for (const hole of frame.gaps) subscriptions.holderOf(hole.handle)?.settle();
  }

  private check(topic: Topic, applied: Applied): void {
    if (applied === 'ok') return;
    if (applied === 'mismatch') this.counted.mismatches++;
    this.subscriptions.repair(topic, fault(topic, applied));
  }
}

/** Throws FeedError bad-option. */
function check(options: ClientOptions): void {
  if (typeof options.url !== 'string' || options.url === '') {
    throw new FeedError('bad-option', 'url: want the address of the service, such as wss://host/v1/ws');
  }
  if (options.client !== undefined && new TextEncoder().encode(options.client).length > MAX_CLIENT_BYTES) {
    throw new FeedError('bad-option', `client ${JSON.stringify(options.client)}: want at most ${MAX_CLIENT_BYTES} bytes`);
  }
}

/** Why a subscription is asked anew. */
function fault({ symbol, kind }: Topic, applied: Exclude<Applied, 'ok'>): FeedError {
  switch (applied) {
    case 'no-base':
      return new FeedError('protocol', `${symbol}: a difference without a full row before it`, true);
    case 'unsafe':
      return new FeedError('unsafe-integer', `${symbol}: a ${kind.channel} with a number beyond 2^53, which JavaScript cannot hold exactly`, true);
    case 'mismatch':
      return new FeedError('checksum', `${symbol}: the book is not the one that the server has; it is asked anew`, true);
  }
}
