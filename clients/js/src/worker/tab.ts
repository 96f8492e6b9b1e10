/** The tab's side: a client whose connection and subscriptions are the worker's. */

import { FeedError, type FeedErrorCode } from '../errors.js';
import { FullClient } from '../full.js';
import type { Feed } from '../subscriptions/feed.js';
import type { InstrumentEntry } from '../subscriptions/instruments.js';
import type { Holder, Kind, Topic } from '../subscriptions/topic.js';
import type { ClientEvents, ClientOptions, ConnectionState, Instrument, InstrumentStatus } from '../types.js';
import type { FromWorker, Opening, SharedSettings, Standing, StoreNews, StoreRequest, ToWorker } from './messages.js';
import { type Remote, remoteTopic } from './remote.js';

/** What a tab needs of its way to the worker; a MessagePort has it. */
export interface TabPort {
  postMessage(message: ToWorker): void;
  onmessage: ((event: MessageEvent<FromWorker>) => void) | null;
  close(): void;
}

/** The worker tells how it stands every second. A silence of so long means that it is gone, or starved. */
const SILENCE_MS = 5000;
const LOOK_MS = 1000;

const NOTHING: Standing = {
  state: 'idle', session: undefined, server: undefined, transport: undefined, latency: {}, traffic: { frames: 0, bytes: 0, rows: 0, conflated: 0, lost: 0, mismatches: 0 },
};

export class TabClient extends FullClient {
  /** Whether tabs share the connection. */
  readonly shared = true;
  readonly #options: ClientOptions;
  readonly #open: () => TabPort;
  readonly #stores: TabFeed;
  #port: TabPort | undefined;
  #standing = NOTHING;
  #heard = 0;
  #stalled = false;
  #closed = false;
  #looking: ReturnType<typeof setInterval> | undefined;
  #lock: AbortController | undefined;
  #listening: (() => void) | undefined;

  constructor(options: ClientOptions, open: () => TabPort) {
    super(options);
    this.#options = options;
    this.#open = open;
    this.#stores = new TabFeed(this, (message) => this.#port?.postMessage(message));
    this.feed = this.#stores as unknown as Feed;
    options.signal?.addEventListener('abort', () => this.close());
  }

  override get state(): ConnectionState {
    return this.#closed ? 'closed' : this.#stalled ? 'stalled' : this.#standing.state;
  }

  override get session() {
    return this.#standing.session;
  }

  override get server() {
    return this.#standing.server;
  }

  override get transport() {
    return this.#standing.transport;
  }

  override get latency() {
    return this.#standing.latency;
  }

  override get traffic() {
    return { ...this.#standing.traffic };
  }

  override serverNow(): number {
    return this.clock.now() + (this.#standing.latency.clockOffsetMs ?? 0);
  }

  override statusOf(symbol: string): InstrumentStatus | undefined {
    return this.#stores.statuses.get(symbol);
  }

  override connect(): void {
    if (this.#port !== undefined || this.#options.signal?.aborted) return;
    this.#closed = false;
    this.#heard = this.clock.now();
    this.#attach();
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
    (this.#looking as { unref?: () => void }).unref?.();
    this.#listening = this.#listen();
  }

  override close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#looking);
    this.#listening?.();
    this.#detach();
    this.tell('state', { state: 'closed', previous: this.#standing.state });
  }

  override reconnectNow(): void {
    this.#port?.postMessage({ type: 'reconnect' });
  }

  override setVisibility(visibility: 'shown' | 'hidden' | 'paused'): void {
    this.#port?.postMessage({ type: 'hidden', hidden: visibility !== 'shown' });
  }

  /** A way to the worker, and all that is open over it. */
  #attach(): void {
    const { url, whenHidden, adaptive, client, heartbeatGraceMs, reconnect, getToken, transports } = this.#options;
    const settings: SharedSettings = Object.fromEntries(Object.entries({ url, whenHidden, adaptive, client, heartbeatGraceMs, reconnect, order: transports?.order, webtransport: transports?.webtransport }).filter(([, value]) => value !== undefined)) as unknown as SharedSettings;
    const port = (this.#port = this.#open());
    port.onmessage = ({ data }) => this.#take(data);
    const hello = (lock: string | undefined) => {
      if (this.#port !== port) return;
      port.postMessage({ type: 'hello', settings, givesTokens: getToken !== undefined, hidden: pageHidden(), lock });
      this.#stores.reopen();
    };
    const locks = globalThis.navigator?.locks;
    if (locks === undefined) return hello(undefined);
    const name = `feedd tab ${crypto.randomUUID()}`;
    const held = (this.#lock = new AbortController());
    // Held until the tab lets go or is no more, which is how the worker learns of it.
    void locks.request(name, () => {
      hello(name);
      return new Promise<void>((resolve) => held.signal.addEventListener('abort', () => resolve()));
    });
  }

  #detach(): void {
    this.#port?.postMessage({ type: 'bye' });
    this.#port?.close();
    this.#port = undefined;
    this.#lock?.abort();
  }

  #listen(): () => void {
    const stop = new AbortController();
    const { signal } = stop;
    globalThis.document?.addEventListener('visibilitychange', () => this.#port?.postMessage({ type: 'hidden', hidden: pageHidden() }), { signal });
    globalThis.addEventListener?.('pagehide', () => this.#detach(), { signal });
    globalThis.addEventListener?.('pageshow', (e) => (e as PageTransitionEvent).persisted && this.#port === undefined && this.#attach(), { signal });
    return () => stop.abort();
  }

  #look(): void {
    const silent = this.clock.now() - this.#heard > SILENCE_MS;
    if (silent === this.#stalled || this.#port === undefined) return;
    const previous = this.state;
    this.#stalled = silent;
    this.tell('state', { state: this.state, previous });
  }

  #take(message: FromWorker): void {
    if (this.#closed) return;
    this.#heard = this.clock.now();
    if (this.#stalled) this.#look();
    switch (message.type) {
      case 'here':
        break;
      case 'standing': {
        const first = this.#standing === NOTHING;
        this.#standing = message.standing;
        // What comes next is told as it comes; a tab that is late is told what came already.
        if (first && this.state !== 'connecting') this.tell('state', { state: this.state, previous: 'idle' });
        break;
      }
      case 'event':
        if (message.name === 'status') this.#stores.statuses.set((message.event as InstrumentStatus).symbol, message.event as InstrumentStatus);
        this.tell(message.name, message.event as ClientEvents[typeof message.name] as never);
        break;
      case 'error':
        this.tell('error', new FeedError(message.code as FeedErrorCode, message.text, message.retrying));
        break;
      case 'ask-token':
        void this.#giveToken(message.asked, message.reason);
        break;
      default:
        this.#stores.take(message);
    }
  }

  async #giveToken(asked: number, reason: Parameters<NonNullable<ClientOptions['getToken']>>[0]['reason']): Promise<void> {
    try {
      const token = (await this.#options.getToken?.({ reason, signal: new AbortController().signal })) ?? null;
      this.#port?.postMessage({ type: 'token', asked, token });
    } catch (e) {
      this.#port?.postMessage({ type: 'token', asked, failed: String(e) });
    }
  }
}

function pageHidden(): boolean {
  return globalThis.document?.visibilityState === 'hidden';
}

interface Opened {
  readonly kind: Kind;
  readonly holder: Holder;
  readonly request: StoreRequest;
  readonly topics: Map<string, Topic & Remote<any>>;
  cadenceMs: number | undefined;
  conflated: number;
  lost: number;
}

/** What stores of a tab find where those of a client find its feed. */
class TabFeed {
  readonly statuses = new Map<string, InstrumentStatus>();
  readonly instruments = { bySymbol: { get: (symbol: string) => this.#entry(symbol), values: () => this.#subscribed() } };
  readonly subscriptions = {
    hold: (kind: Kind, holder: Holder, symbols: string[]) => this.#hold(kind, holder, symbols),
    release: (holder: Holder) => this.#release(holder),
    schedule: () => this.#schedule(),
    setVisibility: () => undefined,
    setCeiling: (bytesPerSecond: number) => this.#bound(bytesPerSecond),
    slowDown: () => undefined,
  };
  readonly #client: TabClient;
  readonly #send: (message: ToWorker) => void;
  readonly #instruments = new Map<string, Instrument>();
  readonly #opened = new Map<number, Opened>();
  #dirty = new Set<{ flush(): void }>();
  #next = 0;
  #ceiling = 0;

  constructor(client: TabClient, send: (message: ToWorker) => void) {
    this.#client = client;
    this.#send = send;
  }

  #bound(bytesPerSecond: number): void {
    this.#ceiling = bytesPerSecond;
    this.#send({ type: 'ceiling', bytesPerSecond });
  }

  begin(): void {
    this.#client.connect();
  }

  dirty(store: { flush(): void }): void {
    this.#dirty.add(store);
    this.#client.planFlush();
  }

  flush(): void {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    for (const store of dirty) store.flush();
  }

  /** Opens everything over a new way to the worker. */
  reopen(): void {
    if (this.#ceiling !== 0) this.#bound(this.#ceiling);
    for (const [store, { request }] of this.#opened) this.#send({ type: 'open', store, request });
  }

  take(message: Exclude<FromWorker, { type: 'here' | 'standing' | 'event' | 'error' | 'ask-token' }>): void {
    if (message.type === 'instruments') {
      for (const instrument of message.instruments) this.#instruments.set(instrument.symbol, instrument);
      return;
    }
    const opened = this.#opened.get(message.store);
    if (opened !== undefined) this.#apply(opened, message);
  }

  #apply(opened: Opened, news: StoreNews): void {
    const { holder } = opened;
    for (const [symbol, result] of news.results ?? []) {
      if (result.ok && !/\*|^@/.test(symbol)) this.#topic(opened, symbol).phase = 'live';
      holder.answered(symbol, result);
    }
    for (const [symbol, grant] of news.grants ?? []) {
      this.#topic(opened, symbol).grant = grant;
      holder.granted();
    }
    for (const row of news.rows ?? []) this.#topic(opened, row.symbol).put(this.#dress(row));
    for (const e of news.trades ?? []) this.#topic(opened, e.type === 'trade' ? e.trade.symbol : e.symbol).put(e.type === 'trade' ? { ...e, trade: this.#dress(e.trade) } : e);
    for (const e of news.bars ?? []) this.#topic(opened, e.type === 'bar' ? e.bar.symbol : e.symbol).put(e.type === 'bar' ? { ...e, bar: this.#dress(e.bar) } : e);
    if (news.book !== undefined) this.#topic(opened, news.book.symbol).put(news.book);
    const { conflated, lost, lagMs } = news.stats;
    if (lagMs !== undefined) holder.took(conflated - opened.conflated, lagMs);
    if (lost > opened.lost) holder.missed(lost - opened.lost);
    opened.conflated = conflated;
    opened.lost = lost;
  }

  #dress<R extends { readonly symbol: string }>(row: R): R {
    return { ...row, instrument: this.#instruments.get(row.symbol) };
  }

  #topic({ kind, holder, topics }: Opened, symbol: string): Topic & Remote<any> {
    let topic = topics.get(symbol);
    if (topic === undefined) {
      topic = remoteTopic(kind, symbol);
      topics.set(symbol, topic);
      holder.adopt(topic);
    }
    topic.entry ??= this.#entry(symbol);
    return topic;
  }

  /** What watchHealth looks at. */
  *#subscribed(): Iterable<Pick<InstrumentEntry, 'status'> & { watchers: { size: number } }> {
    const symbols = new Set([...this.#opened.values()].flatMap(({ topics }) => [...topics.keys()]));
    for (const symbol of symbols) {
      const status = this.statuses.get(symbol);
      if (status !== undefined) yield { status, watchers: { size: 1 } };
    }
  }

  #entry(symbol: string): NonNullable<Topic['entry']> | undefined {
    const instrument = this.#instruments.get(symbol);
    return instrument === undefined ? undefined : ({ instrument } as NonNullable<Topic['entry']>);
  }

  #hold(kind: Kind, holder: Holder, symbols: string[]): void {
    const { depth, priceGroup, barSeconds } = kind.view;
    const options = {
      ...(holder.cadenceMs === undefined ? {} : { cadenceMs: holder.cadenceMs }),
      ...(holder.history === undefined || kind.view.summary ? {} : { history: holder.history }),
      ...(holder.buffer > 0 ? { buffer: holder.buffer } : {}),
      ...(kind.channel === 'book' ? { depth, priceGroup } : {}),
      ...(kind.channel === 'bar' ? { seconds: barSeconds } : {}),
    };
    const request: StoreRequest = { opening: openingOf(kind), symbols, options };
    const store = this.#next++;
    this.#opened.set(store, { kind, holder, request, topics: new Map(), cadenceMs: holder.cadenceMs, conflated: 0, lost: 0 });
    this.#send({ type: 'open', store, request });
  }

  #release(holder: Holder): void {
    for (const [store, opened] of this.#opened) {
      if (opened.holder !== holder) continue;
      this.#opened.delete(store);
      this.#send({ type: 'close', store });
    }
  }

  #schedule(): void {
    for (const [store, opened] of this.#opened) {
      const { cadenceMs } = opened.holder;
      if (cadenceMs === undefined || cadenceMs === opened.cadenceMs) continue;
      opened.cadenceMs = cadenceMs;
      this.#send({ type: 'rate', store, cadenceMs });
    }
  }
}

function openingOf({ channel, view }: Kind): Opening {
  switch (channel) {
    case 'quote':
      return 'quotes';
    case 'trade':
      return view.summary ? 'tradeSummaries' : 'trades';
    case 'bar':
      return 'bars';
    default:
      return channel;
  }
}
