/**
 * A server in a test's hands: it keeps a small market, speaks the protocol through the official schemas,
 * and shares no code with the client. Its ways are those of feed.proto, one handle for each pair of
 * instrument and channel, the same for all sessions of a run.
 */

import { type ClientFrame, Quality } from '../gen/feed/v1/feed_pb.js';
import type { FakeClock } from './clock.js';
import { Market, type QuoteState } from './market.js';
import type { FakeSocket } from './network.js';
import { channels, Session } from './protocol.js';

export class Server {
  readonly sessions: Session[] = [];
  readonly markets = new Map<string, Market>();
  /** Tokens that are good; undefined: none is asked for. */
  tokens: Set<string> | undefined;
  /** For how long one is good. */
  tokenSeconds = 86_400;
  epoch = 1;
  quality = Quality.OK;
  /** How far this server's clock is ahead. */
  aheadUs = 0;
  /** Every run numbers its handles anew. */
  run = 1;
  heartbeatMs = 5000;
  alternates: string[] = [];
  /** Where the welcome says that WebTransport is. */
  webtransport: { url?: string; port?: number; certificateSha256?: Uint8Array<ArrayBuffer>[] } | undefined;
  limits = {
    clientFrameBytes: 16384,
    serverFrameBytes: 65536,
    subscriptions: 1024,
    symbolsPerRequest: 1024,
    requestsPerSecond: 50,
  };
  history = 50;
  /** Entries of a log that can still be read. */
  logSize = 1000;
  /** Answers to requests may be written by the test instead. Returns whether it did. */
  onRequest: (session: Session, frame: ClientFrame) => boolean = () => false;

  constructor(
    readonly clock: FakeClock,
    symbols: readonly string[] = [],
  ) {
    for (const symbol of symbols) this.list(symbol);
  }

  list(symbol: string): Market {
    const market = new Market(symbol, this.markets.size + 1);
    this.markets.set(symbol, market);
    return market;
  }

  accept(socket: FakeSocket): Session {
    const session = new Session(this, socket);
    this.sessions.push(session);
    socket.peer = session;
    socket.open();
    return session;
  }

  get last(): Session {
    return this.sessions.at(-1)!;
  }

  get nowUs(): number {
    return Math.round(this.clock.now() * 1000) + this.aheadUs;
  }

  handle(market: Market, channel: (typeof channels)[number]): number {
    return this.run * 10_000 + market.number * channels.length + channels.indexOf(channel);
  }

  quote(symbol: string, bid: number, over: Partial<QuoteState> = {}): void {
    const market = this.markets.get(symbol)!;
    const sequence = (market.quote?.sequence ?? 0) + 1;
    market.quote = {
      bid,
      bidSize: 10,
      ask: bid + 1,
      askSize: 20,
      has: 7,
      transitMs: 25,
      ingestUs: this.nowUs,
      sequence,
      ...over,
    };
  }

  trade(symbol: string, price: number, over: { size?: number; id?: number } = {}): void {
    const market = this.markets.get(symbol)!;
    const sequence = ++market.trades;
    market.log.push({
      type: 'trade',
      epoch: this.epoch,
      sequence,
      price,
      size: 1,
      id: 1000 + sequence,
      exchangeUs: this.nowUs - 25_000,
      ingestUs: this.nowUs,
      ...over,
    });
  }

  level(symbol: string, side: 'bids' | 'asks', price: number, size: number): void {
    const { book } = this.markets.get(symbol)!;
    if (size === 0) book[side].delete(price);
    else book[side].set(price, size);
    book.sequence++;
    book.ingestUs = this.nowUs;
  }

  gap(symbol: string, count: number): void {
    const market = this.markets.get(symbol)!;
    market.log.push({ type: 'gap', epoch: this.epoch, from: market.trades + 1, to: market.trades + count });
    market.trades += count;
  }

  /** One frame for each session with what is due. */
  flush(): void {
    for (const session of this.sessions) session.flush();
  }
}
