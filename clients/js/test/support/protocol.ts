/** The protocol of the server in a test's hands: one connection as that sees it. */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type ClientFrame,
  ClientFrameSchema,
  ErrorCode,
  GrantReason,
  type Hello,
  type Ping,
  type RefreshToken,
  Quality,
  ServerFrameSchema,
  type SetRate,
  type Subscribe,
  type Unsubscribe,
  Visibility,
} from '../gen/feed/v1/feed_pb.js';
import { type BookState, type LogEntry, type Market, type QuoteState, bookRow } from './market.js';
import type { FakeSocket, Peer } from './network.js';
import { type QuoteNumbers, quoteNumbers } from './quotes.js';
import type { Server } from './server.js';

interface Asked {
  hello: Hello;
  subscribe: Subscribe;
  unsubscribe: Unsubscribe;
  setRate: SetRate;
  ping: Ping;
  refreshToken: RefreshToken;
}

interface Subscription {
  market: Market;
  channel: Channel;
  cadenceMs: number;
  /** Row that differences are against; undefined: a full one is due. */
  sent: QuoteState | undefined;
  /** Next entry of the log, counted from its beginning. */
  cursor: number;
  lastTrade: (LogEntry & { type: 'trade' }) | undefined;
  book: BookState | undefined;
}

export const channels = ['quote', 'trade', 'book', 'status'] as const;
export type Channel = 'quote' | 'trade' | 'book';

/** A frame, with quotes as rows. */
export type Init = Omit<NonNullable<Parameters<typeof create<typeof ServerFrameSchema>>[1]>, 'quotes'> & { quotes?: QuoteNumbers[] };

/** One connection as the server sees it. */
export class Session implements Peer {
  readonly requests: ClientFrame[] = [];
  readonly subscriptions = new Map<number, Subscription>();
  visibility = Visibility.SHOWN;
  open = true;
  /** Sends nothing, not even answers. */
  silent = false;
  private known = new Set<Market>();

  constructor(
    readonly server: Server,
    readonly socket: FakeSocket,
  ) {}

  /** Requests of one kind, oldest first. */
  asked<C extends keyof Asked>(kind: C): Asked[C][] {
    return this.requests.filter((r) => r.request.case === kind).map((r) => r.request.value as unknown as Asked[C]);
  }

  send({ quotes = [], ...init }: Init): void {
    const frame = create(ServerFrameSchema, { ...(init as object), quotes: quoteNumbers(quotes) });
    if (this.open && !this.silent) this.socket.deliver(toBinary(ServerFrameSchema, frame));
  }

  ended(): void {
    this.open = false;
  }

  receive(data: Uint8Array): void {
    const frame = fromBinary(ClientFrameSchema, data);
    this.requests.push(frame);
    queueMicrotask(() => this.answer(frame)); // as on a network, never within send()
  }

  private answer(frame: ClientFrame): void {
    if (this.silent || this.server.onRequest(this, frame)) return;
    const { request } = frame;
    switch (request.case) {
      case 'hello':
        if (this.server.tokens?.has(request.value.token) === false) {
          this.socket.end(4510, 'no such token');
          return;
        }
        this.send({
          replyTo: frame.id,
          welcome: {
            session: `s${this.server.sessions.length}`,
            serverTimeUs: BigInt(this.server.nowUs),
            server: 'fake',
            limits: this.server.limits,
            heartbeatMs: this.server.heartbeatMs,
            cadencesMs: [0, 100, 250, 1000],
            alternates: this.server.alternates,
            ...(this.server.webtransport && { webtransport: this.server.webtransport }),
          },
          ...this.identity(),
        });
        break;
      case 'ping':
        this.send({
          replyTo: frame.id,
          pong: { clientTimeUs: request.value.clientTimeUs, serverTimeUs: BigInt(this.server.nowUs) },
        });
        break;
      case 'subscribe':
        this.subscribe(frame.id, request.value);
        break;
      case 'unsubscribe':
        for (const handle of request.value.handles) this.subscriptions.delete(handle);
        this.send({ replyTo: frame.id, unsubscribed: { handles: request.value.handles } });
        break;
      case 'refreshToken':
        this.send({ replyTo: frame.id, ...this.identity() });
        break;
      case 'setRate':
        this.setRate(frame.id, request.value);
        break;
    }
  }

  subscribe(id: number, s: Subscribe): void {
    const channel = s.channels[0] as Channel;
    const cadenceMs = s.cadenceMs ?? 250;
    const results: any[] = [];
    const instruments: Market[] = [];
    const handles: number[] = [];
    for (const symbol of s.symbols) {
      const matches = symbol.includes('*')
        ? [...this.server.markets.values()].filter((m) => glob(symbol, m.symbol))
        : [this.server.markets.get(symbol)].filter((m) => m !== undefined);
      if (matches.length === 0) {
        results.push({
          symbol,
          channel,
          code: symbol.includes('*') ? ErrorCode.NO_MATCH : ErrorCode.UNKNOWN_SYMBOL,
          text: `${symbol}: not known here`,
        });
      }
      for (const market of matches) {
        const handle = this.server.handle(market, channel);
        handles.push(handle);
        if (!this.known.has(market)) instruments.push(market);
        this.known.add(market);
        results.push({ symbol: market.symbol, channel, handle });
        const held = this.subscriptions.get(handle);
        if (held !== undefined) held.cadenceMs = cadenceMs;
        else
          this.subscriptions.set(handle, {
            market,
            channel,
            cadenceMs,
            sent: undefined,
            cursor: this.cursor(market, s, symbol),
            lastTrade: undefined,
            book: undefined,
          });
      }
    }
    this.send({
      replyTo: id,
      subscribed: {
        results,
        instruments: instruments.map((m) => ({
          symbol: m.symbol,
          priceScale: 2,
          sizeScale: 3,
          priceStep: 1n,
          source: m.symbol.split(':')[0]!,
          statusHandle: this.server.handle(m, 'status'),
        })),
      },
    });
    this.send({
      replyTo: id,
      grants: [{ handles, cadenceMs, reason: s.cadenceMs === undefined ? GrantReason.DEFAULT : GrantReason.UNSPECIFIED }],
    });
    if (instruments.length > 0) this.sendStatuses(instruments);
  }

  private identity() {
    const { tokens, tokenSeconds, nowUs } = this.server;
    return tokens === undefined ? {} : { identity: { user: 'ada', expiresUs: BigInt(nowUs + 1_000_000 * tokenSeconds) } };
  }

  private cursor(
    market: Market,
    s: { history?: number | undefined; resume: Array<{ symbol: string; epoch: bigint; sequence: bigint }> },
    symbol: string,
  ): number {
    const resume = s.resume.find((r) => r.symbol === symbol);
    const oldest = Math.max(0, market.log.length - this.server.logSize);
    if (resume === undefined) return Math.max(oldest, market.log.length - (s.history ?? this.server.history));
    const after = market.log.findIndex(
      (e) =>
        BigInt(e.epoch) > resume.epoch ||
        (BigInt(e.epoch) === resume.epoch && BigInt(e.type === 'gap' ? e.to : e.sequence) > resume.sequence),
    );
    // One that resumes at the very end gets the last event once more, since differences need a full row.
    return after < 0 ? Math.max(0, market.log.length - 1) : after;
  }

  private setRate(id: number, s: { handles: number[]; cadenceMs?: number | undefined; visibility: Visibility }): void {
    if (s.visibility !== Visibility.UNSPECIFIED) this.visibility = s.visibility;
    const handles = s.handles.length > 0 ? s.handles : [...this.subscriptions.keys()];
    if (s.cadenceMs !== undefined) for (const h of handles) this.subscriptions.get(h)!.cadenceMs = s.cadenceMs;
    const reason =
      this.visibility === Visibility.HIDDEN
        ? GrantReason.HIDDEN
        : this.visibility === Visibility.PAUSED
          ? GrantReason.PAUSED
          : GrantReason.UNSPECIFIED;
    this.send({
      replyTo: id,
      grants: handles.map((h) => ({ handles: [h], cadenceMs: this.subscriptions.get(h)!.cadenceMs, reason })),
    });
  }

  sendStatuses(markets: Iterable<Market> = this.known): void {
    const list = [...markets];
    const sources = new Set(list.map((m) => m.symbol.split(':')[0]!));
    this.send({
      cutTimeUs: BigInt(this.server.nowUs),
      statuses: list.map((m) => ({ handle: this.server.handle(m, 'status'), stream: 1, quality: m.quality, trading: m.trading })),
      sourceStatuses: [...sources].map((source) => ({
        source,
        stream: 1,
        quality: this.server.quality,
        reason: this.server.quality === Quality.SUSPECT ? 'silent' : '',
      })),
    });
  }

  /** The rows that are due, as one frame. */
  rows(): Init {
    const cut = this.server.nowUs;
    const frame = { cutTimeUs: BigInt(cut), quotes: [] as any[], trades: [] as any[], books: [] as any[], losses: [] as any[], gaps: [] as any[] };
    for (const [handle, sub] of this.subscriptions) {
      if (sub.channel === 'quote') this.quoteRow(handle, sub, cut, frame.quotes);
      else if (sub.channel === 'book') this.bookRow(handle, sub, cut, frame.books);
      else this.tradeRows(handle, sub, frame);
    }
    return frame;
  }

  flush(): void {
    const frame = this.rows() as any;
    if (frame.quotes.length + frame.trades.length + frame.books.length + frame.losses.length + frame.gaps.length > 0) this.send(frame);
  }

  private quoteRow(handle: number, sub: Subscription, cut: number, quotes: any[]): void {
    const now = sub.market.quote;
    const was = sub.sent;
    if (now === undefined || (was !== undefined && was.sequence === now.sequence)) return;
    const from = was ?? { bid: 0, bidSize: 0, ask: 0, askSize: 0, transitMs: 0, has: undefined };
    quotes.push({
      handle,
      bid: BigInt(now.bid - from.bid),
      bidSize: BigInt(now.bidSize - from.bidSize),
      spread: BigInt(now.ask - now.bid - (from.ask - from.bid)),
      askSize: BigInt(now.askSize - from.askSize),
      ageMs: Math.floor((cut - now.ingestUs) / 1000),
      transitMs: now.transitMs - from.transitMs,
      ...(now.has !== from.has && { has: now.has }),
      ...(was === undefined && { sequence: BigInt(now.sequence), epoch: BigInt(this.server.epoch) }),
    });
    sub.sent = now;
  }

  private bookRow(handle: number, sub: Subscription, cut: number, books: any[]): void {
    const { book } = sub.market;
    const row = bookRow(book, sub.book);
    if (row === undefined) return;
    books.push({ handle, ...row, ageMs: Math.floor((cut - book.ingestUs) / 1000) });
    sub.book = { ...book, bids: new Map(book.bids), asks: new Map(book.asks) };
  }

  private tradeRows(handle: number, sub: Subscription, frame: { trades: any[]; losses: any[]; gaps: any[] }): void {
    const { log } = sub.market;
    const oldest = Math.max(0, log.length - this.server.logSize);
    while (sub.cursor < oldest) {
      // Overtaken: what was there is told as one range for each epoch.
      const first = log[sub.cursor]!;
      let last = first;
      while (sub.cursor < oldest && log[sub.cursor]!.epoch === first.epoch) last = log[sub.cursor++]!;
      frame.losses.push({
        handle,
        epoch: BigInt(first.epoch),
        from: BigInt(first.type === 'gap' ? first.from : first.sequence),
        to: BigInt(last.type === 'gap' ? last.to : last.sequence),
      });
      sub.lastTrade = undefined;
    }
    for (; sub.cursor < log.length; sub.cursor++) {
      const e = log[sub.cursor]!;
      if (e.type === 'gap') {
        frame.gaps.push({ handle, epoch: BigInt(e.epoch), from: BigInt(e.from), to: BigInt(e.to) });
        sub.lastTrade = undefined;
        continue;
      }
      const was = sub.lastTrade;
      const difference = was !== undefined && was.epoch === e.epoch && was.sequence + 1 === e.sequence;
      const transit = Math.floor((e.ingestUs - e.exchangeUs) / 1000);
      const from = difference
        ? {
            price: was.price,
            us: was.exchangeUs,
            transit: Math.floor((was.ingestUs - was.exchangeUs) / 1000),
            id: was.id + (was.id === 0 ? 0 : 1),
          }
        : { price: 0, us: 0, transit: 0, id: 0 };
      frame.trades.push({
        handle,
        price: BigInt(e.price - from.price),
        size: BigInt(e.size),
        aggressor: 1,
        exchangeTimeUs: BigInt(e.exchangeUs - from.us),
        transitMs: BigInt(transit - from.transit),
        id: BigInt(e.id - from.id),
        ...(!difference && { sequence: BigInt(e.sequence), epoch: BigInt(e.epoch) }),
      });
      sub.lastTrade = e;
    }
  }
}

function glob(pattern: string, text: string): boolean {
  return new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  ).test(text);
}
