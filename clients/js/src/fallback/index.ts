/**
 * Other ways to the server for where WebSockets do not get through: proxies and firewalls that know nothing of them. A module of its own,
 * so that only pages that want it pay for it.
 */

import { FeedError } from '../errors.js';
import type { Carrier, Clock, DialMeans, Rung, Socket, TransportName, Transports } from '../types.js';
import { type Fetch, beside } from './http.js';
import { PollSocket } from './poll.js';
import { StreamSocket } from './stream.js';

export type { Carrier, DialMeans, Rung, TransportName, Transports, WebTransportAddress } from '../types.js';
export type { Fetch } from './http.js';

/** What is kept between visits; the page's localStorage has it. */
export type Memory = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export interface FallbackOptions {
  /** Where it is kept for an hour what got through, so that the next visit begins with it. Default: localStorage where there is one; null: nowhere. */
  memory?: Memory | null;
  /** For tests, and for runtimes without one; default: globalThis.fetch. */
  fetch?: Fetch;
}

const ALL: readonly TransportName[] = ['websocket', 'stream', 'poll'];
/** Attempts in a row of the first transport, or of a WebSocket, that come to nothing before another one is tried. */
const ATTEMPTS = 2;
/** From the beginning to the first message. */
const FIRST_MESSAGE_MS = 6000;
const REMEMBER_MS = 3_600_000;
/** A better way is looked at after the first of these, and after twice as long each time, up to the last; WebTransport soon, as it is not known to be blocked. */
const LOOK_MS = 60_000;
const LOOK_FIRST_MS = { websocket: LOOK_MS, webtransport: 2000 };
const LOOK_MOST_MS = 1_800_000;
/** The same where all ways failed before one got through: the server was away, and nothing is known to be blocked. */
const LOOK_SOON_MS = 5000;
const SUBPROTOCOL = 'feedd.v1.proto';

/**
 * The transports to take, best first: `createClient({ url, transports: fallback() })`. One that fails before the first message is
 * given up for the next, but only that which gets through is kept: where none does, the server is away, and it begins with the
 * first again. While a lesser one is in use, it is looked now and then whether WebSockets get through, or WebTransport where it was given, and
 * moved up if so. Make one for each client. Throws FeedError bad-option.
 */
export function fallback(order: ReadonlyArray<TransportName | Rung> = ALL, options: FallbackOptions = {}): Transports {
  let rung: Rung | undefined;
  const names = order.map((transport): TransportName => {
    if (typeof transport !== 'string') return (rung = transport).name;
    if (!ALL.includes(transport)) throw new FeedError('bad-option', `transport ${JSON.stringify(transport)}: want some of ${ALL.join(', ')}, and webtransport() of "@feedd/client/webtransport"`);
    return transport;
  });
  if (order.length === 0 || new Set(names).size < order.length) throw new FeedError('bad-option', `transports ${names.join(', ')}: want each at most once, and at least one`);
  return new Ladder(names, rung, options);
}

/** Which transport is next, from what came of the ones before. */
class Ladder implements Transports {
  readonly order: readonly TransportName[];
  readonly #rung: Rung | undefined;
  readonly #options: FallbackOptions;
  /** Place of the transport that is next, or in use. */
  #at = 0;
  /** Attempts of it in a row that came to nothing. */
  #failures = 0;
  /** The last attempt got through. */
  #through = false;
  /** Each one failed since the last time that one got through. */
  #allFailed = false;
  /** Until when what got through is taken without looking further, once it has ended. */
  #until = 0;
  readonly #lookMs = { ...LOOK_FIRST_MS };
  #recalled = false;

  constructor(order: readonly TransportName[], rung: Rung | undefined, options: FallbackOptions) {
    this.order = order;
    this.#rung = rung;
    this.#options = options;
  }

  get webtransport() {
    return this.#rung?.address;
  }

  dial(url: string, means: DialMeans): Carrier {
    const now = means.clock.now();
    if (!this.#recalled) {
      this.#recalled = true;
      this.#recall(url, now);
    }
    if (this.#through && now > this.#until) this.#at = this.#failures = 0;
    for (let left = this.order.length; !this.#possible(this.#name, url, means); left--) {
      if (left === 0) throw new FeedError('no-websocket', `there is nothing here for any of the transports ${this.order.join(', ')}`);
      this.#next();
    }
    const name = this.#name;
    const socket = this.#make(name, url, means);
    const carrier = new Watched(name, socket, means.clock, {
      through: (message) => {
        this.#rung?.heard(url, message);
        this.#got(url, name, carrier, means);
      },
      failed: (hung) => this.#failed(url, name, hung, means),
      refused: () => (this.#at = this.#failures = 0),
    });
    return carrier;
  }

  get #name(): TransportName {
    return this.order[this.#at]!;
  }

  #possible(name: TransportName, url: string, { WebSocket }: DialMeans): boolean {
    if (name === 'webtransport') return this.#rung!.possible(url);
    return (name === 'websocket' ? WebSocket : this.#options.fetch ?? globalThis.fetch) !== undefined;
  }

  /** No better one than that in use can be tried. */
  #best(url: string, means: DialMeans): boolean {
    return !this.order.slice(0, this.#at).some((name) => this.#possible(name, url, means));
  }

  #make(name: TransportName, url: string, { WebSocket, clock }: DialMeans): Socket {
    if (name === 'webtransport') return this.#rung!.dial(url, clock);
    if (name === 'websocket') return new WebSocket!(url, [SUBPROTOCOL]);
    const fetch: Fetch = this.#options.fetch ?? ((address, init) => globalThis.fetch(address, init));
    return name === 'stream' ? new StreamSocket(beside(url, name), fetch, clock) : new PollSocket(beside(url, name), fetch, clock);
  }

  // ---- what comes of it

  #got(url: string, name: TransportName, carrier: Watched, means: DialMeans): void {
    this.#through = true;
    this.#failures = 0;
    const away = this.#allFailed;
    this.#until = means.clock.now() + REMEMBER_MS;
    const best = this.#best(url, means);
    if (best) {
      Object.assign(this.#lookMs, LOOK_FIRST_MS);
      this.#allFailed = false;
    }
    if (best && name !== 'webtransport') this.#remember(url, undefined);
    else if (!away) this.#remember(url, name);
    this.#allFailed = false;
    if (!best) this.#look(url, carrier, means, away ? LOOK_SOON_MS : LOOK_MOST_MS);
  }

  #failed(url: string, name: TransportName, hung: boolean, means: DialMeans): void {
    this.#through = false;
    if (name === 'webtransport') this.#rung!.failed(url); // what comes next is as good
    else if (++this.#failures < ATTEMPTS && (name === 'websocket' || this.#best(url, means)) && !hung) return;
    this.#remember(url, undefined);
    this.#next();
  }

  #next(): void {
    this.#failures = 0;
    this.#at = (this.#at + 1) % this.order.length;
    if (this.#at === 0) this.#allFailed = true;
  }

  /** Looks whether a better way opens, no later than after `most`, and moves the connection there if so. */
  #look(url: string, carrier: Watched, means: DialMeans, most: number): void {
    const lookMs = this.#lookMs;
    const better = this.order.slice(0, this.#at).filter((name): name is keyof typeof lookMs => name in lookMs && this.#possible(name, url, means));
    if (better.length === 0) return;
    const name = better.reduce((a, b) => (lookMs[b] < lookMs[a] ? b : a));
    carrier.later(Math.min(lookMs[name], most) * (0.5 + means.random()), () => {
      lookMs[name] = Math.min(Math.max(2 * lookMs[name], LOOK_MS), LOOK_MOST_MS);
      let socket: Socket;
      try {
        socket = this.#make(name, url, means);
      } catch {
        return;
      }
      let opened = false;
      socket.onopen = () => {
        opened = socket.protocol === SUBPROTOCOL;
        socket.close(1000);
        if (!opened || !carrier.current) return;
        this.#at = this.order.indexOf(name);
        // It opens, which does not say that messages get through: one attempt that fails, and it is back here.
        this.#failures = ATTEMPTS - 1;
        carrier.move(name === 'websocket' ? 'a WebSocket gets through again' : 'WebTransport gets through');
      };
      socket.onerror = () => {};
      socket.onclose = () => {
        if (!opened && carrier.current) this.#look(url, carrier, means, LOOK_MOST_MS);
      };
      carrier.whenClosed(() => {
        try {
          socket.close(1000);
        } catch {
          // It never was open.
        }
      });
    });
  }

  // ---- between visits

  get #memory(): Memory | null {
    if (this.#options.memory !== undefined) return this.#options.memory;
    try {
      return globalThis.localStorage ?? null;
    } catch {
      return null; // forbidden to this page
    }
  }

  #recall(url: string, now: number): void {
    try {
      const { name, until, kept } = JSON.parse(this.#memory?.getItem(key(url)) ?? '{}') as { name?: TransportName; until?: number; kept?: unknown };
      const at = this.order.indexOf(name!);
      if (at >= 0 && now < until! && until! <= now + REMEMBER_MS) {
        if (kept !== undefined) this.#rung?.recall(url, kept);
        this.#at = at;
        this.#until = until!;
      }
    } catch {
      // Nothing of ours.
    }
  }

  /** undefined: the best one got through, or none does. */
  #remember(url: string, name: TransportName | undefined): void {
    try {
      if (name === undefined) this.#memory?.removeItem(key(url));
      else this.#memory?.setItem(key(url), JSON.stringify({ name, until: this.#until, kept: name === 'webtransport' ? this.#rung!.kept(url) : undefined }));
    } catch {
      // It is full, or closed to this page: the next visit begins with the first.
    }
  }
}

const key = (url: string) => `feedd transport ${url}`;

interface Outcome {
  /** The first message came. */
  through(message: Uint8Array): void;
  /** It ended without one; hung: nothing was heard at all for too long. */
  failed(hung: boolean): void;
  /** The server itself sent the client away. */
  refused(): void;
}

/** A socket of any transport, of which is told whether anything gets through it. */
class Watched implements Carrier {
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onerror: Socket['onerror'] = null;
  onclose: Socket['onclose'] = null;
  /** Neither ended nor closed. */
  current = true;
  readonly transport: TransportName;
  readonly #socket: Socket;
  readonly #clock: Clock;
  /** For the first message; then what later() asked for. */
  #timer: unknown;
  #whenClosed: (() => void) | undefined;

  constructor(transport: TransportName, socket: Socket, clock: Clock, outcome: Outcome) {
    this.transport = transport;
    this.#socket = socket;
    this.#clock = clock;
    let heard = false;
    this.later(FIRST_MESSAGE_MS, () => {
      outcome.failed(true);
      this.#give(undefined, `nothing came over ${transport} within ${FIRST_MESSAGE_MS / 1000} s`);
    });
    socket.onopen = (e) => this.current && this.onopen?.(e);
    socket.onerror = () => {};
    socket.onmessage = (e: { data: unknown }) => {
      if (!this.current) return;
      if (!heard) {
        heard = true;
        this.#clock.clearTimeout(this.#timer);
        outcome.through(new Uint8Array(e.data as ArrayBuffer));
      }
      this.onmessage?.(e);
    };
    socket.onclose = (e: { code: number; reason: string }) => {
      if (!this.current) return;
      if (!heard && e.code >= 4000) outcome.refused();
      else if (!heard) outcome.failed(false);
      this.#let();
      this.onclose?.(e);
    };
  }

  get binaryType(): string {
    return this.#socket.binaryType;
  }

  set binaryType(type: string) {
    this.#socket.binaryType = type;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(data);
  }

  close(code?: number, reason?: string): void {
    this.#let();
    this.#socket.close(code, reason);
  }

  /** Ends so that the client comes back at once, over whatever is next. */
  move(reason: string): void {
    this.#give(undefined, reason);
  }

  later(ms: number, fn: () => void): void {
    this.#timer = this.#clock.setTimeout(fn, ms);
  }

  whenClosed(fn: () => void): void {
    this.#whenClosed = fn;
  }

  #give(code: number | undefined, reason: string): void {
    this.#let();
    try {
      this.#socket.close(1000);
    } catch {
      // It never was open.
    }
    this.onclose?.({ code, reason });
  }

  #let(): void {
    this.current = false;
    this.#clock.clearTimeout(this.#timer);
    this.#whenClosed?.();
    this.#whenClosed = undefined;
  }
}
