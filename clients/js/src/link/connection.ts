import { FeedError } from '../errors.js';
import type { Carrier, ClientOptions, Clock, ConnectionState, GoAwayEvent, Socket, SocketClass, StateEvent, TransportName } from '../types.js';
import type { LinkFrame, WirePong, WireWelcome } from '../wire/frame.js';
import { encodeRequest, type Request } from '../wire/request.js';
import { Latency } from './latency.js';
import { Liveness } from './liveness.js';
import { NORMAL_CLOSURE, isTerminal, isRefusal, retryDelay, windowOf, type Window } from './retry.js';
import { Tokens } from './token.js';

const SUBPROTOCOL = 'feedd.v1.proto';
/** From the first packet to the welcome. */
const WELCOME_TIMEOUT_MS = 10_000;
/** A connection that lasted this long was a success: the next wait starts small again. */
const STABLE_MS = 5000;
const PING_EVERY_MS = 10_000;
/** Until there are this many samples every check sends a ping. */
const FIRST_PINGS = 4;
const DEFAULT_HEARTBEAT_MS = 5000;
/** Largest frame before the server has said what its largest is, and where it does not say. */
const FRAME_BYTES = 1 << 20;
/** Servers warn so long before a token expires. */
const RENEW_MS = 60_000;
/** When the network or the viewer is back, a wait is cut to a random one below this. */
const NUDGE_MS = 1000;

/** What the connection tells its owner. None of these may throw. */
export interface ConnectionEvents {
  /** Welcomed: send what is wanted. Comes before the change of state to live. */
  welcomed(welcome: WireWelcome): void;
  /** A frame, the welcome included. */
  frame(frame: LinkFrame, bytes: number): void;
  /** The connection is gone. Must not call the user's code. */
  down(): void;
  /** The connection was looked at, and is sound. */
  checked(now: number): void;
  state(e: StateEvent): void;
  error(e: FeedError): void;
  goaway(e: GoAwayEvent): void;
}

/** Keeps one WebSocket alive at a time, and comes back when it ends. */
export class Connection {
  state: ConnectionState = 'idle';
  readonly latency = new Latency();
  readonly #options: ClientOptions;
  readonly #read: (bytes: Uint8Array) => LinkFrame;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #events: ConnectionEvents;
  readonly #tokens: Tokens | undefined;

  // The life of one socket; all void when it ends. Events of any socket but this one are ignored.
  #socket: Socket | undefined;
  #welcome: WireWelcome | undefined;
  #liveSince = 0;
  #liveness: Liveness | undefined;
  #pingedAt = 0;
  /** A ping was answered. */
  #measured = false;
  #goaway: Window | undefined;
  /** The one timer: for the welcome, then the next check of silence, then the next attempt. */
  #timer: unknown;
  /** When the server ends the connection unless it has another token, on its clock; 0: it does not. */
  #expiresUs = 0;
  /** Of a token that could not be had while the connection lives. */
  #tokenTimer: unknown;

  // The life between socket and socket.
  #failures = 0;
  #lastId = 0;
  /** Where to go next, as a goaway said; then to where the options say. */
  #next: string[] = [];
  /** Other nodes, as the last welcome said: every second attempt goes to one of them. */
  #others: readonly string[] = [];
  #url: string;
  /** The wait is the server's wish, and no news of the network shortens it. */
  #told = false;
  /** The page is frozen: nothing is tried until it is not. */
  #frozen = false;
  /** The server refused a token, and has not taken one since. */
  #refused = false;
  /** This outage was told of: more attempts that fail are no news. */
  #unreached = false;

  constructor(options: ClientOptions, read: (bytes: Uint8Array) => LinkFrame, clock: Clock, random: () => number, events: ConnectionEvents) {
    this.#options = options;
    this.#url = options.url;
    this.#read = read;
    this.#clock = clock;
    this.#random = random;
    this.#events = events;
    this.#tokens = options.getToken === undefined ? undefined : new Tokens(options.getToken, clock);
  }

  /** What the server said of itself and this connection. */
  get welcome(): WireWelcome | undefined {
    return this.#welcome;
  }

  get transport(): TransportName | undefined {
    return this.#welcome && ((this.#socket as Carrier).transport ?? 'websocket');
  }

  connect(): void {
    if (this.state !== 'idle' && this.state !== 'closed') return;
    this.#failures = 0;
    this.#refused = this.#unreached = false;
    this.#open();
    this.#become({ state: 'connecting' });
  }

  close(): void {
    if (this.state === 'idle' || this.state === 'closed') return;
    this.#abandon(NORMAL_CLOSURE, 'closed by the client');
    this.#events.down();
    this.#become({ state: 'closed', code: NORMAL_CLOSURE, reason: 'closed by the client' });
  }

  reconnectNow(): void {
    if (this.#waiting) this.#retry();
  }

  /** The page stands still from here on; an open socket would only break. */
  freeze(): void {
    if (this.#frozen || this.state === 'idle' || this.state === 'closed') return;
    const reason = 'the page is frozen';
    this.#abandon(NORMAL_CLOSURE, reason);
    this.#frozen = true;
    this.#events.down();
    this.#become({ state: 'reconnecting', reason });
  }

  resume(): void {
    if (this.#frozen) this.#retry();
  }

  /** Something happened to the network or the page: whatever there is, is looked at now. */
  nudge(): void {
    if (this.#liveness !== undefined) {
      const now = this.#clock.now();
      this.#liveness.probe(now);
      this.#ping(now);
      this.#check(this.#liveness);
    } else if (this.#waiting && !this.#told && !this.#frozen) {
      this.#wait(this.#random() * NUDGE_MS, () => this.#retry());
    }
  }

  /** Sends a request and returns its id, under which it is answered; 0 where there is no connection. */
  send(request: Request): number {
    const socket = this.#socket;
    if (socket === undefined) return 0;
    const id = (this.#lastId = this.#lastId >= 0xffff_ffff ? 1 : this.#lastId + 1);
    try {
      socket.send(encodeRequest(id, request));
    } catch (cause) {
      // The socket is closing and its close event will come, or the request cannot be told: either way
      // nobody answers.
      if (cause instanceof FeedError) this.#events.error(cause);
      return 0;
    }
    return id;
  }

  /** Ends this connection, which misbehaved, and comes back. */
  fail(error: FeedError): void {
    if (this.#socket === undefined) return;
    this.#abandon(NORMAL_CLOSURE, error.code);
    this.#ended(undefined, error.text);
    this.#events.error(error);
  }

  // ---- beginning

  /** Whether a wait for the next attempt is on, or a frozen page's for its thaw. */
  get #waiting(): boolean {
    return this.state === 'reconnecting' && this.#socket === undefined && this.#tokens?.asking !== true;
  }

  #open(): void {
    const Class = this.#options.WebSocket ?? (globalThis.WebSocket as unknown as SocketClass | undefined);
    if (Class === undefined && this.#options.transports === undefined) throw new FeedError('no-websocket', 'there is no WebSocket here');
    if (this.#tokens === undefined) {
      this.#dial(Class, '');
      return;
    }
    this.#tokens.ask(
      this.#refused ? 'refused' : 'connect',
      (token) => this.#attempt(() => this.#dial(Class, token)),
      (e) => {
        if (e.code === 'unauthenticated') this.#giveUp(e);
        else {
          this.#ended(undefined, e.text);
          this.#events.error(e);
        }
      },
    );
  }

  #dial(Class: SocketClass | undefined, token: string): void {
    const { transports } = this.#options;
    const url = (this.#url = this.#choose());
    let socket: Socket;
    try {
      socket = transports?.dial(url, { WebSocket: Class, clock: this.#clock, random: this.#random }) ?? new Class!(url, [SUBPROTOCOL]);
    } catch (cause) {
      if (cause instanceof FeedError) throw cause;
      throw new FeedError('bad-option', `url ${JSON.stringify(url)}: ${String(cause)}; want an address such as wss://host/v1/ws`, false, { cause });
    }
    this.#socket = socket;
    this.#goaway = undefined;
    this.#measured = false;
    socket.binaryType = 'arraybuffer';
    // Handlers stay on sockets that were given up: the ws package ends the process for an error event
    // that nobody listens to.
    socket.onopen = () => this.#socket === socket && this.#opened(socket, token);
    socket.onmessage = (e: { data: unknown }) => this.#socket === socket && this.#received(e.data);
    socket.onerror = () => {}; // a close follows, and says more
    socket.onclose = (e: { code: number; reason: string }) => {
      if (this.#socket !== socket) return;
      const live = this.#welcome !== undefined;
      this.#abandon();
      this.#ended(e.code, e.reason, live);
    };
    this.#wait(WELCOME_TIMEOUT_MS, () => this.fail(new FeedError('unreachable', `no welcome from ${url} within ${WELCOME_TIMEOUT_MS / 1000} s`, true)));
  }

  #choose(): string {
    const n = this.#failures / 2 - 1; // not whole, or below 0: it is the turn of its own
    return this.#next.shift() ?? this.#others[n % this.#others.length] ?? this.#options.url;
  }

  /** Those of a server's URLs that are such, and give up no encryption. */
  #safe(urls: readonly string[]): string[] {
    return urls.filter((u) => u.startsWith('wss:') || u.startsWith(this.#options.url.slice(0, 5)));
  }

  #opened(socket: Socket, token: string): void {
    if (socket.protocol !== SUBPROTOCOL) {
      this.fail(
        new FeedError(
          'protocol',
          `the server speaks ${JSON.stringify(socket.protocol)}; want the subprotocol ${SUBPROTOCOL}: is ${this.#url} a feedd, and of this version?`,
          true,
        ),
      );
      return;
    }
    this.send({ type: 'hello', token, client: this.#options.client ?? '' });
  }

  #welcomed(welcome: WireWelcome): void {
    const now = this.#clock.now();
    this.#welcome = welcome;
    this.#others = this.#safe(welcome.alternates);
    this.#next = [];
    this.#liveSince = now;
    this.#unreached = false;
    this.#liveness = new Liveness(welcome.heartbeatMs || DEFAULT_HEARTBEAT_MS, this.#options.heartbeatGraceMs ?? 1000, now);
    this.#ping(now);
    this.#check(this.#liveness);
    this.#events.welcomed(welcome);
    this.#become({ state: 'live', transport: this.transport! });
  }

  // ---- life

  #received(message: unknown): void {
    this.#liveness?.heard(this.#clock.now());
    if (typeof message === 'string') {
      this.fail(new FeedError('protocol', 'a text message; want binary ones only', true));
      return;
    }
    const bytes = new Uint8Array(message as ArrayBuffer);
    const most = this.#welcome?.limits?.serverFrameBytes || FRAME_BYTES;
    if (bytes.length > most) {
      this.fail(new FeedError('protocol', `a message of ${bytes.length} bytes, where at most ${most} were agreed`, true));
      return;
    }
    let frame: LinkFrame;
    try {
      frame = this.#read(bytes);
    } catch (cause) {
      this.fail(cause instanceof FeedError ? cause : new FeedError('decode', String(cause), true, { cause }));
      return;
    }
    const socket = this.#socket;
    if (frame.limits !== undefined && this.#welcome !== undefined) this.#welcome.limits = frame.limits;
    if (frame.welcome !== undefined && this.#welcome === undefined) this.#welcomed(frame.welcome);
    else if (this.state === 'stalled') this.#become({ state: 'live', transport: this.transport! });
    if (frame.pong !== undefined) this.#ponged(frame.pong);
    if (this.#socket === socket) this.#events.frame(frame, bytes.length); // unless a listener closed it
    if (this.#socket !== socket) return;
    if (frame.identity !== undefined) this.#expiresUs = frame.identity.expiresUs;
    if (frame.tokenExpiring !== undefined) this.#renew();
    if (frame.goaway !== undefined) {
      this.#goaway = { minMs: frame.goaway.reconnectMinMs, maxMs: frame.goaway.reconnectMaxMs };
      this.#next = this.#safe(frame.goaway.alternates);
      this.#events.goaway(frame.goaway);
    }
  }

  /** Gets a token in place of one that is about to expire. The server ends a connection whose token does, and that is the next try. */
  #renew(): void {
    if (this.#tokens?.asking) return;
    this.#tokens?.ask(
      'expiring',
      (token) => void this.send({ type: 'refreshToken', token }),
      (e) => {
        this.#events.error(e);
        if (e.code === 'token' && this.#socket !== undefined)
          this.#tokenTimer = this.#clock.setTimeout(() => this.#renew(), NUDGE_MS + this.#random() * this.#backoff.maxMs / 4);
      },
    );
  }

  #check(liveness: Liveness): void {
    this.#wait(liveness.intervalMs, () => {
      const now = this.#clock.now();
      const verdict = liveness.check(now);
      if (verdict === 'lost') {
        this.fail(new FeedError('transport', 'the server fell silent', true));
        return;
      }
      if (verdict === 'probe') this.#woke(now);
      if (verdict !== 'ok' || this.latency.count < FIRST_PINGS || Math.abs(now - this.#pingedAt) >= PING_EVERY_MS) this.#ping(now);
      this.#check(liveness);
      if (verdict === 'stalled' && this.state === 'live') this.#become({ state: 'stalled' });
      if (verdict === 'ok') this.#events.checked(now);
    });
  }

  /** The machine or the page slept: clocks may have drifted apart, and the warning of a token's end been missed. */
  #woke(now: number): void {
    if (this.#expiresUs > 0 && now + (this.latency.best?.offsetMs ?? 0) > this.#expiresUs / 1000 - RENEW_MS) this.#renew();
    this.latency.forget();
  }

  #ping(now: number): void {
    this.#pingedAt = now;
    this.#liveness?.asked(now);
    this.send({ type: 'ping', clientTimeUs: Math.round(now * 1000) });
  }

  #ponged(pong: WirePong): void {
    this.#liveness?.answered();
    // Another server, perhaps: its clock is its own. Until then the one before is the best guess.
    if (!this.#measured) this.latency.forget();
    this.#measured = true;
    this.latency.add(pong.clientTimeUs / 1000, this.#clock.now(), pong.serverTimeUs / 1000);
  }

  // ---- the end

  /** Lets go of the socket, and with a code closes it. What it still says is not heard. */
  #abandon(code?: number, reason?: string): void {
    const socket = this.#socket;
    if (this.#welcome !== undefined && Math.abs(this.#clock.now() - this.#liveSince) >= STABLE_MS) {
      this.#failures = 0;
      this.#refused = false;
    }
    this.#expiresUs = 0;
    this.#socket = this.#welcome = this.#liveness = undefined;
    this.#frozen = false;
    this.#tokens?.forget();
    this.#clock.clearTimeout(this.#timer);
    this.#clock.clearTimeout(this.#tokenTimer);
    if (code === undefined) return;
    try {
      socket?.close(code, reason);
    } catch {
      // Already closed, or never was open: either way it is gone.
    }
  }

  #ended(code: number | undefined, reason: string, live = false): void {
    this.#events.down();
    const told = { ...(code !== undefined && { code }), reason };
    const refused = code !== undefined && isRefusal(code);
    if (refused && this.#tokens !== undefined && !this.#refused) this.#refused = true; // another token may do
    else if (code !== undefined && isTerminal(code)) {
      this.#become({ state: 'closed', ...told });
      if (code !== NORMAL_CLOSURE)
        this.#events.error(new FeedError(refused ? 'unauthenticated' : 'transport', `the server ended the connection for good: ${code} ${reason}`));
      return;
    }
    const window = this.#goaway ?? (code === undefined ? undefined : windowOf(code));
    this.#told = window !== undefined;
    const retryInMs = retryDelay(this.#failures++, this.#backoff, window, this.#random);
    this.#wait(retryInMs, () => this.#retry());
    this.#become({ state: 'reconnecting', ...told, retryInMs });
    if (live || code === undefined || this.#unreached) return;
    this.#unreached = true;
    this.#events.error(new FeedError(refused ? 'unauthenticated' : 'unreachable', `no connection to ${this.#url}: closed with ${code}${reason && `, ${reason}`}`, true));
  }

  #retry(): void {
    this.#frozen = false;
    this.#clock.clearTimeout(this.#timer);
    this.#attempt(() => {
      this.#open();
      this.#become({ state: 'reconnecting', retryInMs: 0 });
    });
  }

  #attempt(open: () => void): void {
    try {
      open();
    } catch (cause) {
      this.#giveUp(cause as FeedError);
    }
  }

  #giveUp(error: FeedError): void {
    this.#abandon();
    this.#events.down();
    this.#become({ state: 'closed', reason: error.text });
    this.#events.error(error);
  }

  get #backoff(): { baseMs: number; maxMs: number } {
    return { baseMs: this.#options.reconnect?.baseMs ?? 500, maxMs: this.#options.reconnect?.maxMs ?? 20_000 };
  }

  #wait(ms: number, fn: () => void): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(fn, ms);
  }

  #become(e: Omit<StateEvent, 'previous'>): void {
    const previous = this.state;
    this.state = e.state;
    this.#events.state({ ...e, previous });
  }
}
