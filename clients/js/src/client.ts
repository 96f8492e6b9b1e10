import { systemClock } from './clock.js';
import { pageEnvironment } from './environment.js';
import { FeedError } from './errors.js';
import { Connection } from './link/connection.js';
import { Pace, SAMPLE_MS } from './link/pace.js';
import { Listeners, dispose, reportGlobally } from './listeners.js';
import type { Feed } from './subscriptions/feed.js';
import type { ClientEvents, ClientOptions, Clock, CoreClient, Environment, EnvironmentChange, InstrumentStatus, Listening, Stop } from './types.js';
import { FrameReader, type Known, type LinkFrame, type ServerFrame } from './wire/frame.js';
import type { Request } from './wire/request.js';

/** What servers take of a client's name. */
const MAX_CLIENT_BYTES = 128;
/** From the most visible to the least. */
const VISIBILITIES = ['shown', 'hidden', 'paused'] as const;
type Visibility = (typeof VISIBILITIES)[number];
/** The least that servers take. */
const MIN_CEILING = 1000;

/** The client without stores. What is not in CoreClient is for its feed, which the first store brings. */
export class Core implements CoreClient {
  readonly clock: Clock;
  readonly random: () => number;
  readonly counted = { frames: 0, bytes: 0, rows: 0, conflated: 0, lost: 0, mismatches: 0 };
  readonly #options: ClientOptions;
  readonly #environment: Environment;
  readonly #connection: Connection;
  readonly #frames = new FrameReader();
  readonly #listeners: { [E in keyof ClientEvents]: Listeners<ClientEvents[E]> };
  feed: Feed | undefined;

  // What is to be told once the frame, or the running code, is done. Listeners never run in the middle of
  // a frame: whatever they call finds the client in order.
  #news: Array<() => void> = [];
  #applying = false;
  #flushPlanned = false;

  // Between connect() and close().
  #stopListening: (() => void) | undefined;
  #visibility: Visibility = 'shown';
  #ceiling = 0;
  readonly #pace = new Pace();
  #paceTimer: unknown;

  constructor(options: ClientOptions) {
    check(options);
    this.#options = options;
    this.clock = options.clock ?? systemClock();
    this.random = options.random ?? Math.random;
    this.#environment = options.environment ?? pageEnvironment();
    const threw = (e: unknown) => this.threw(e);
    this.#listeners = {
      state: new Listeners(threw),
      error: new Listeners(reportGlobally), // one that throws is not called again for its own error
      source: new Listeners(threw),
      status: new Listeners(threw),
      goaway: new Listeners(threw),
      pace: new Listeners(threw),
      instrument: new Listeners(threw),
    };
    this.#connection = new Connection(options, (bytes) => this.#frames.read(bytes), this.clock, this.random, {
      welcomed: (welcome) => {
        this.#watchPace();
        this.feed?.welcomed(welcome);
      },
      frame: (frame, bytes) => this.#apply(frame, bytes),
      down: () => {
        this.clock.clearTimeout(this.#paceTimer);
        this.feed?.down();
        this.planFlush();
      },
      checked: (now) => {
        const wrong = this.feed?.checked(now);
        if (wrong !== undefined) this.#connection.fail(wrong);
      },
      state: (e) => {
        if (e.state === 'closed') this.#stop();
        this.tell('state', e);
      },
      error: (e) => this.tell('error', e),
      goaway: (e) => this.tell('goaway', e),
    });
  }

  get state() {
    return this.#connection.state;
  }

  get session() {
    return this.#connection.welcome?.session;
  }

  get server() {
    return this.#connection.welcome?.server;
  }

  get transport() {
    return this.#connection.transport;
  }

  connect(): void {
    const { signal } = this.#options;
    if (signal?.aborted) return;
    this.#connection.connect();
    if (this.#stopListening !== undefined || this.state === 'closed') return;
    const close = () => this.close();
    signal?.addEventListener('abort', close);
    const stop = this.#environment.listen((change) => this.#environmentChanged(change));
    this.#stopListening = () => {
      signal?.removeEventListener('abort', close);
      stop();
    };
    this.#showVisibility();
  }

  close(): void {
    this.#connection.close();
  }

  reconnectNow(): void {
    this.#connection.reconnectNow();
  }

  [dispose](): void {
    this.close();
    for (const listeners of Object.values(this.#listeners)) listeners.clear();
  }

  on<E extends keyof ClientEvents>(event: E, fn: (e: ClientEvents[E]) => void, options?: Listening): Stop {
    return this.#listeners[event].add(fn, options);
  }

  get latency() {
    const { best } = this.#connection.latency;
    return best === undefined ? {} : { rttMs: best.rttMs, clockOffsetMs: best.offsetMs };
  }

  serverNow(): number {
    return this.clock.now() + (this.#connection.latency.best?.offsetMs ?? 0);
  }

  get traffic() {
    return { ...this.counted };
  }

  statusOf(symbol: string): InstrumentStatus | undefined {
    return this.feed?.instruments.bySymbol.get(symbol)?.status;
  }

  setVisibility(visibility: Visibility): void {
    if (!VISIBILITIES.includes(visibility))
      throw new FeedError('bad-option', `visibility ${String(visibility)}: want one of ${VISIBILITIES.join(', ')}`);
    this.#visibility = visibility;
    this.#showVisibility();
  }

  setCeiling(bytesPerSecond: number): void {
    if (bytesPerSecond !== 0 && !(Number.isInteger(bytesPerSecond) && bytesPerSecond >= MIN_CEILING && bytesPerSecond < 2 ** 31))
      throw new FeedError('bad-option', `ceiling ${String(bytesPerSecond)}: want whole bytes a second, at least ${MIN_CEILING}, or 0 for none`);
    this.#ceiling = bytesPerSecond;
    this.feed?.subscriptions.setCeiling(bytesPerSecond);
  }

  // ---- for the feed

  /** Frames belong to the feed as well from here on. */
  attach(feed: Feed): void {
    this.feed = feed;
    this.#showVisibility();
    feed.subscriptions.slowDown(this.#pace.steps);
    feed.subscriptions.setCeiling(this.#ceiling);
    const { welcome } = this.#connection;
    if (welcome !== undefined) feed.welcomed(welcome);
  }

  reads(fields: Known): void {
    this.#frames.learn(fields);
  }

  send(request: Request): number {
    return this.#connection.send(request);
  }

  /** Tells listeners, once the frame that is being applied is done. */
  tell<E extends keyof ClientEvents>(event: E, e: ClientEvents[E]): void {
    const tell = () => this.#listeners[event].emit(e);
    if (this.#applying) this.#news.push(tell);
    else tell();
  }

  /** A listener threw. */
  threw(thrown: unknown): void {
    const unheard = this.#listeners.error.empty;
    this.#listeners.error.emit(new FeedError('callback', `a listener threw ${String(thrown)}`, true, { cause: thrown }));
    if (unheard) reportGlobally(thrown);
  }

  /** Flushes when the frame, or the running code, is done. */
  planFlush(): void {
    if (this.#flushPlanned || this.#applying) return;
    this.#flushPlanned = true;
    queueMicrotask(() => {
      this.#flushPlanned = false;
      this.#flush();
    });
  }

  // ---- the page and the thread

  #environmentChanged(change: EnvironmentChange): void {
    if (change === 'freeze') this.#connection.freeze();
    else if (change === 'resume') this.#connection.resume();
    else {
      if (change === 'visibility') this.#showVisibility();
      if (!this.#environment.hidden) this.#connection.nudge();
    }
  }

  /** The less visible of what the page is and what was said. */
  #showVisibility(): void {
    const { whenHidden = 'slow' } = this.#options;
    const page = !this.#environment.hidden || whenHidden === 'same' ? 0 : whenHidden === 'slow' ? 1 : 2;
    this.feed?.subscriptions.setVisibility(VISIBILITIES[Math.max(page, VISIBILITIES.indexOf(this.#visibility))]!);
  }

  #stop(): void {
    this.#stopListening?.();
    this.#stopListening = undefined;
  }

  /** Samples the pace. Timers of hidden pages are late by rule, and nobody looks. */
  #watchPace(): void {
    if (this.#options.adaptive === false) return;
    const due = this.clock.now() + SAMPLE_MS;
    this.#paceTimer = this.clock.setTimeout(() => {
      const now = this.clock.now();
      this.#watchPace();
      if (this.#environment.hidden || !this.#pace.sample(now - due, now)) return;
      const { steps } = this.#pace;
      this.feed?.subscriptions.slowDown(steps);
      this.tell('pace', { steps, lateMs: now - due });
    }, SAMPLE_MS);
  }

  // ---- frames

  #apply(frame: LinkFrame, bytes: number): void {
    this.counted.frames++;
    this.counted.bytes += bytes;
    this.#applying = true;
    const wrong = this.feed?.apply(frame as ServerFrame);
    this.#applying = false;
    if (!(frame as ServerFrame).partial) this.#flush(); // else more of the same moment follows
    if (wrong !== undefined) this.#connection.fail(wrong);
  }

  #flush(): void {
    for (const tell of this.#news.splice(0)) tell();
    this.feed?.flush();
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
