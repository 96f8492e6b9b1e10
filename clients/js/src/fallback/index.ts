/**
 * Other ways to the server for where WebSockets do not get through: proxies and firewalls that know nothing of them. A module of its own,
 * so that only pages that want it pay for it.
 */

import { FeedError } from '../errors.js';
import type { Carrier, Clock, DialMeans, Socket, TransportName, Transports } from '../types.js';
import { type Fetch, beside } from './http.js';
import { PollSocket } from './poll.js';
import { StreamSocket } from './stream.js';

export type { Carrier, DialMeans, TransportName, Transports } from '../types.js';
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
/** Attempts in a row of the first transport that come to nothing before another one is tried. */
const ATTEMPTS = 2;
/** From the beginning to the first message. */
const FIRST_MESSAGE_MS = 6000;
const REMEMBER_MS = 3_600_000;
/** The better way is looked at after the first of these, and after twice as long each time, up to the second. */
const LOOK_MS = 60_000;
const LOOK_MOST_MS = 1_800_000;
/** The same where all ways failed before one got through: the server was away, and nothing is known to be blocked. */
const LOOK_SOON_MS = 5000;
const SUBPROTOCOL = 'feedd.v1.proto';

/**
 * The transports to take, best first: `createClient({ url, transports: fallback() })`. One that fails before the first message is
 * given up for the next, but only that which gets through is kept: where none does, the server is away, and it begins with the
 * first again. While a lesser one is in use, it is looked now and then whether WebSockets get through, and moved up if so. Make
 * one for each client. Throws FeedError bad-option.
 */
export function fallback(order: readonly TransportName[] = ALL, options: FallbackOptions = {}): Transports {
  for (const name of order)
    if (!ALL.includes(name)) throw new FeedError('bad-option', `transport ${JSON.stringify(name)}: want some of ${ALL.join(', ')}`);
  if (order.length === 0 || new Set(order).size < order.length) throw new FeedError('bad-option', `transports ${order.join(', ')}: want each at most once, and at least one`);
  return new Ladder(order, options);
}

/** Which transport is next, from what came of the ones before. */
class Ladder implements Transports {
  readonly order: readonly TransportName[];
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
  #lookMs = LOOK_MS;
  #recalled = false;

  constructor(order: readonly TransportName[], options: FallbackOptions) {
    this.order = order;
    this.#options = options;
  }

  dial(url: string, means: DialMeans): Carrier {
    const now = means.clock.now();
    if (!this.#recalled) {
      this.#recalled = true;
      this.#recall(url, now);
    }
    if (this.#through && now > this.#until) this.#at = this.#failures = 0;
    for (let left = this.order.length; !this.#possible(this.#name, means); left--) {
      if (left === 0) throw new FeedError('no-websocket', `there is nothing here for any of the transports ${this.order.join(', ')}`);
      this.#next();
    }
    const name = this.#name;
    const socket = this.#make(name, url, means);
    const carrier = new Watched(name, socket, means.clock, {
      through: () => this.#got(url, name, carrier, means),
      failed: (hung) => this.#failed(url, hung),
      refused: () => (this.#at = this.#failures = 0),
    });
    return carrier;
  }

  get #name(): TransportName {
    return this.order[this.#at]!;
  }

  #possible(name: TransportName, { WebSocket }: DialMeans): boolean {
    return (name === 'websocket' ? WebSocket : this.#options.fetch ?? globalThis.fetch) !== undefined;
  }

  #make(name: TransportName, url: string, { WebSocket, clock }: DialMeans): Socket {
    if (name === 'websocket') return new WebSocket!(url, [SUBPROTOCOL]);
    const fetch: Fetch = this.#options.fetch ?? ((address, init) => globalThis.fetch(address, init));
    return name === 'stream' ? new StreamSocket(beside(url, name), fetch, clock) : new PollSocket(beside(url, name), fetch, clock);
  }

  // ---- what comes of it

  #got(url: string, name: TransportName, carrier: Watched, means: DialMeans): void {
    this.#through = true;
    this.#failures = 0;
    if (this.#at === 0) {
      this.#lookMs = LOOK_MS;
      this.#allFailed = false;
      this.#remember(url, undefined);
      return;
    }
    this.#until = means.clock.now() + REMEMBER_MS;
    if (!this.#allFailed) this.#remember(url, name);
    const ms = this.#allFailed ? LOOK_SOON_MS : this.#lookMs;
    this.#allFailed = false;
    if (this.order[0] === 'websocket' && this.#possible('websocket', means)) this.#look(url, carrier, means, ms);
  }

  #failed(url: string, hung: boolean): void {
    this.#through = false;
    if (++this.#failures < ATTEMPTS && this.#at === 0 && !hung) return;
    if (this.#at > 0) this.#remember(url, undefined);
    this.#next();
  }

  #next(): void {
    this.#failures = 0;
    this.#at = (this.#at + 1) % this.order.length;
    if (this.#at === 0) this.#allFailed = true;
  }

  /** Looks whether a WebSocket opens, and moves the connection there if so. */
  #look(url: string, carrier: Watched, means: DialMeans, ms: number): void {
    carrier.later(ms * (0.5 + means.random()), () => {
      let socket: Socket;
      try {
        socket = new means.WebSocket!(url, [SUBPROTOCOL]);
      } catch {
        return;
      }
      let opened = false;
      socket.onopen = () => {
        opened = socket.protocol === SUBPROTOCOL;
        socket.close(1000);
        if (!opened || !carrier.current) return;
        this.#at = 0;
        // It opens, which does not say that messages get through: one attempt that fails, and it is back here.
        this.#failures = ATTEMPTS - 1;
        this.#lookMs = Math.min(2 * this.#lookMs, LOOK_MOST_MS);
        carrier.move('a WebSocket gets through again');
      };
      socket.onerror = () => {};
      socket.onclose = () => {
        if (opened || !carrier.current) return;
        this.#lookMs = Math.min(2 * this.#lookMs, LOOK_MOST_MS);
        this.#look(url, carrier, means, this.#lookMs);
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
      const { name, until } = JSON.parse(this.#memory?.getItem(key(url)) ?? '{}') as { name?: TransportName; until?: number };
      const at = this.order.indexOf(name!);
      if (at > 0 && now < until! && until! <= now + REMEMBER_MS) {
        this.#at = at;
        this.#until = until!;
      }
    } catch {
      // Nothing of ours.
    }
  }

  /** undefined: the first one got through, or none does. */
  #remember(url: string, name: TransportName | undefined): void {
    try {
      if (name === undefined) this.#memory?.removeItem(key(url));
      else this.#memory?.setItem(key(url), JSON.stringify({ name, until: this.#until }));
    } catch {
      // It is full, or closed to this page: the next visit begins with the first.
    }
  }
}

const key = (url: string) => `feedd transport ${url}`;

interface Outcome {
  /** The first message came. */
  through(): void;
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
    socket.onmessage = (e) => {
      if (!this.current) return;
      if (!heard) {
        heard = true;
        this.#clock.clearTimeout(this.#timer);
        outcome.through();
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
