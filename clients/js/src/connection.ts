import { FeedError } from './errors.js';
import { Latency } from './latency.js';
import { Liveness } from './liveness.js';
import { NORMAL_CLOSURE, isTerminal, retryDelay, windowOf, type Window } from './retry.js';
import type { Clock, ClientOptions, ConnectionState, GoAwayEvent, Socket, StateEvent } from './types.js';
import type { Decoder, ServerFrame, WirePong, WireWelcome } from './wire/frame.js';
import { encodeRequest, type Request } from './wire/request.js';

const SUBPROTOCOL = 'feedd.v1.proto';
/** From the first packet to the welcome. */
const WELCOME_TIMEOUT_MS = 10_000;
/** A connection that lasted this long was a success: the next wait starts small again. */
const STABLE_MS = 5000;
const PING_EVERY_MS = 10_000;
/** Until there are this many samples every check sends a ping. */
const FIRST_PINGS = 4;
const DEFAULT_HEARTBEAT_MS = 5000;

/** What the connection tells its owner. None of these may throw. */
export interface ConnectionEvents {
  /** Welcomed: send what is wanted. Comes before the change of state to live. */
  welcomed(welcome: WireWelcome): void;
  /** A frame, the welcome included. */
  frame(frame: ServerFrame, bytes: number): void;
  /** The connection is gone. Must not call the user's code. */
  down(): void;
  state(e: StateEvent): void;
  error(e: FeedError): void;
  goaway(e: GoAwayEvent): void;
}

/** Keeps one WebSocket alive at a time, and comes back when it ends. */
export class Connection {
  state: ConnectionState = 'idle';
  session: string | undefined;
  readonly latency = new Latency();

  // The life of one socket; all void when it ends. Events of any socket but this one are ignored.
  private socket: Socket | undefined;
  private liveSince: number | undefined;
  private liveness: Liveness | undefined;
  private pingedAt = 0;
  /** A ping was answered. */
  private measured = false;
  private goaway: Window | undefined;
  /** The one timer: for the welcome, then the next check of silence, then the next attempt. */
  private timer: unknown;

  // The life between socket and socket.
  private failures = 0;
  private lastId = 0;

  constructor(
    private readonly options: ClientOptions,
    private readonly decode: Decoder,
    private readonly clock: Clock,
    private readonly random: () => number,
    private readonly events: ConnectionEvents,
  ) {}

  connect(): void {
    if (this.state !== 'idle' && this.state !== 'closed') return;
    this.socketClass();
    this.failures = 0;
    this.open();
    this.become({ state: 'connecting' });
  }

  close(): void {
    if (this.state === 'idle' || this.state === 'closed') return;
    this.abandon(NORMAL_CLOSURE, 'closed by the client');
    this.events.down();
    this.become({ state: 'closed', code: NORMAL_CLOSURE, reason: 'closed by the client' });
  }

  reconnectNow(): void {
    if (this.state !== 'reconnecting' || this.socket !== undefined) return;
    this.retry();
  }

  /** Sends a request and returns its id, under which it is answered; 0 where there is no connection. */
  send(request: Request): number {
    const { socket } = this;
    if (socket === undefined) return 0;
    const id = (this.lastId = this.lastId >= 0xffff_ffff ? 1 : this.lastId + 1);
    try {
      socket.send(encodeRequest(id, request));
    } catch (cause) {
      // The socket is closing and its close event will come, or the request cannot be told: either way
      // nobody answers.
      if (cause instanceof FeedError) this.events.error(cause);
      return 0;
    }
    return id;
  }

  /** Ends this connection, which misbehaved, and comes back. */
  fail(error: FeedError): void {
    if (this.socket === undefined) return;
    this.abandon(NORMAL_CLOSURE, error.code);
    this.ended(undefined, error.text);
    this.events.error(error);
  }

  private socketClass(): new (url: string, protocols: string[]) => Socket {
    const given = this.options.WebSocket ?? (globalThis.WebSocket as unknown as ClientOptions['WebSocket']);
    if (given === undefined) {
      throw new FeedError(
        'no-websocket',
        'there is no WebSocket here: use Node 22 or later, or npm install ws and pass createClient({ url, WebSocket }) the WebSocket of that package',
      );
    }
    return given;
  }

  private open(): void {
    let socket: Socket;
    try {
      socket = new (this.socketClass())(this.options.url, [SUBPROTOCOL]);
    } catch (cause) {
      if (cause instanceof FeedError) throw cause;
      throw new FeedError(
        'bad-option',
        `url ${JSON.stringify(this.options.url)}: ${String(cause)}; want an address such as wss://host/v1/ws`,
        false,
        { cause },
      );
    }
    this.socket = socket;
    this.goaway = undefined;
    this.measured = false;
    socket.binaryType = 'arraybuffer';
    // Handlers stay on sockets that were given up: the ws package ends the process for an error event
    // that nobody listens to.
    socket.onopen = () => this.socket === socket && this.opened(socket);
    socket.onmessage = (e: { data: unknown }) => this.socket === socket && this.received(e.data);
    socket.onerror = () => {}; // a close follows, and says more
    socket.onclose = (e: { code: number; reason: string }) => {
      if (this.socket !== socket) return;
      this.abandon();
      this.ended(e.code, e.reason);
    };
    this.wait(WELCOME_TIMEOUT_MS, () =>
      this.fail(new FeedError('transport', `no welcome within ${WELCOME_TIMEOUT_MS / 1000} s`, true)),
    );
  }

  private opened(socket: Socket): void {
    if (socket.protocol !== SUBPROTOCOL) {
      this.fail(
        new FeedError(
          'protocol',
          `the server speaks ${JSON.stringify(socket.protocol)}; want the subprotocol ${SUBPROTOCOL}: is ${this.options.url} a feedd?`,
          true,
        ),
      );
      return;
    }
    this.send({ type: 'hello', client: this.options.client ?? '' });
  }

  private received(message: unknown): void {
    this.liveness?.heard(this.clock.now());
    if (typeof message === 'string') {
      this.fail(new FeedError('protocol', 'a text message; want binary ones only', true));
      return;
    }
    const bytes = new Uint8Array(message as ArrayBuffer);
    let frame: ServerFrame;
    try {
      frame = this.decode(bytes);
    } catch (cause) {
      this.fail(cause instanceof FeedError ? cause : new FeedError('decode', String(cause), true, { cause }));
      return;
    }
    const { socket } = this;
    if (frame.welcome !== undefined && this.liveSince === undefined) this.welcomed(frame.welcome);
    else if (this.state === 'stalled') this.become({ state: 'live' });
    if (frame.pong !== undefined) this.ponged(frame.pong);
    if (this.socket === socket) this.events.frame(frame, bytes.length); // unless a listener closed it
    if (frame.goaway !== undefined && this.socket === socket) {
      this.goaway = { minMs: frame.goaway.reconnectMinMs, maxMs: frame.goaway.reconnectMaxMs };
      this.events.goaway(frame.goaway);
    }
  }

  private welcomed(welcome: WireWelcome): void {
    const now = this.clock.now();
    this.session = welcome.session;
    this.liveSince = now;
    this.liveness = new Liveness(welcome.heartbeatMs || DEFAULT_HEARTBEAT_MS, this.options.heartbeatGraceMs ?? 1000, now);
    this.ping(now);
    this.check(this.liveness);
    this.events.welcomed(welcome);
    this.become({ state: 'live' });
  }

  private check(liveness: Liveness): void {
    this.wait(liveness.intervalMs, () => {
      const now = this.clock.now();
      const verdict = liveness.check(now);
      if (verdict === 'lost') {
        this.fail(new FeedError('transport', 'the server fell silent', true));
        return;
      }
      if (verdict === 'probe') this.latency.forget();
      if (verdict !== 'ok' || this.latency.count < FIRST_PINGS || Math.abs(now - this.pingedAt) >= PING_EVERY_MS) this.ping(now);
      this.check(liveness);
      if (verdict === 'stalled' && this.state === 'live') this.become({ state: 'stalled' });
    });
  }

  private ponged(pong: WirePong): void {
    // Another server, perhaps: its clock is its own. Until then the one before is the best guess.
    if (!this.measured) this.latency.forget();
    this.measured = true;
    this.latency.add(pong.clientTimeUs / 1000, this.clock.now(), pong.serverTimeUs / 1000);
  }

  private ping(now: number): void {
    this.pingedAt = now;
    this.send({ type: 'ping', clientTimeUs: Math.round(now * 1000) });
  }

  /** Lets go of the socket, and with a code closes it. What it still says is not heard. */
  private abandon(code?: number, reason?: string): void {
    const { socket } = this;
    this.socket = undefined;
    this.session = undefined;
    this.liveness = undefined;
    this.clock.clearTimeout(this.timer);
    const now = this.clock.now();
    if (this.liveSince !== undefined && Math.abs(now - this.liveSince) >= STABLE_MS) this.failures = 0;
    this.liveSince = undefined;
    if (code === undefined) return;
    try {
      socket?.close(code, reason);
    } catch {
      // Already closed, or never was open: either way it is gone.
    }
  }

  private ended(code: number | undefined, reason: string): void {
    this.events.down();
    const told = { ...(code !== undefined && { code }), reason };
    if (code !== undefined && isTerminal(code)) {
      this.become({ state: 'closed', ...told });
      if (code !== NORMAL_CLOSURE)
        this.events.error(new FeedError('transport', `the server ended the connection for good: ${code} ${reason}`));
      return;
    }
    const window = this.goaway ?? (code === undefined ? undefined : windowOf(code));
    const retryInMs = retryDelay(this.failures++, this.backoff, window, this.random);
    this.wait(retryInMs, () => this.retry());
    this.become({ state: 'reconnecting', ...told, retryInMs });
  }

  private retry(): void {
    this.clock.clearTimeout(this.timer);
    try {
      this.open();
      this.become({ state: 'reconnecting', retryInMs: 0 });
    } catch (cause) {
      this.become({ state: 'closed', reason: (cause as FeedError).text });
      this.events.error(cause as FeedError);
    }
  }

  private get backoff(): { baseMs: number; maxMs: number } {
    return { baseMs: this.options.reconnect?.baseMs ?? 500, maxMs: this.options.reconnect?.maxMs ?? 20_000 };
  }

  private wait(ms: number, fn: () => void): void {
    this.clock.clearTimeout(this.timer);
    this.timer = this.clock.setTimeout(fn, ms);
  }

  private become(e: Omit<StateEvent, 'previous'>): void {
    const previous = this.state;
    this.state = e.state;
    this.events.state({ ...e, previous });
  }
}
