/** One instrument on one channel, however many stores look at it. */

import type { InstrumentEntry } from './instruments.js';
import { type Applied, HAS_ASK, HAS_BID, HAS_EXCHANGE_TIME, QuoteBase, TradeBase, before } from './rows.js';
import type { Epoch, Grant, MissedTrades, QuoteRow, SubscribeResult, TradeEvent, TradeRow } from './types.js';
import type { WireQuote, WireRange, WireTrade } from './wire/frame.js';

export type Channel = 'quote' | 'trade';

/** What a topic needs of a store that holds it. */
export interface Holder {
  readonly cadenceMs: number | undefined;
  readonly history: number | undefined;
  /** Events kept for each symbol; 0 on State channels. */
  readonly buffer: number;
  /** Whether the symbol was asked by name rather than matched by a pattern. */
  asked(symbol: string): boolean;
  answered(symbol: string, result: SubscribeResult): void;
  granted(): void;
  /** A topic that a pattern matched. */
  adopt(topic: Topic): void;
}

/** When a frame froze the state in its rows, and when it arrived. */
export interface Moment {
  readonly cutTimeUs: number;
  readonly receivedMs: number;
}

/** absent: the server does not know that we want it. asked: not yet answered. */
export type Phase = 'absent' | 'asked' | 'live' | 'refused';

export abstract class Topic<H extends Holder = Holder> {
  readonly holders = new Set<H>();
  phase: Phase = 'absent';
  entry: InstrumentEntry | undefined;
  grant: Grant | undefined;

  // Of this connection.
  handle = 0;
  /** The cadence that was asked for last; undefined: the server's default. */
  wish: number | undefined;

  // Repair of a subscription whose base was lost.
  /** When to ask for it anew, on the client's clock; undefined: nothing to repair. */
  repairAt: number | undefined;
  repairs = 0;
  repairedAt = 0;

  constructor(readonly symbol: string) {}

  abstract readonly channel: Channel;
  /** Where to go on after a reconnect. */
  abstract readonly position: { epoch: Epoch; sequence: number } | undefined;

  /** Forgets what belonged to one subscription on one connection. */
  unbind(): void {
    this.phase = 'absent';
    this.handle = 0;
    this.wish = undefined;
    this.repairAt = undefined;
  }
}

export interface QuoteHolder extends Holder {
  changed(row: QuoteRow): void;
}

export class QuoteTopic extends Topic<QuoteHolder> {
  readonly channel = 'quote';
  readonly position = undefined;
  row: QuoteRow | undefined;
  private base = new QuoteBase();

  override unbind(): void {
    super.unbind();
    this.base = new QuoteBase();
  }

  apply(wire: WireQuote, at: Moment): Applied {
    const applied = this.base.apply(wire);
    if (applied === 'ok') {
      this.repairAt = undefined;
      this.show(at);
    }
    return applied;
  }

  /** A new row with the same prices and another status. */
  statusChanged(): void {
    const { row, entry } = this;
    if (row === undefined || entry === undefined) return;
    const { quality, trading } = this.status(entry);
    if (row.quality !== quality || row.trading !== trading) this.hand({ ...row, quality, trading });
  }

  private show(at: Moment): void {
    const { base } = this;
    const entry = this.entry!;
    const { quality, trading } = this.status(entry);
    const bid = (base.has & HAS_BID) !== 0;
    const ask = (base.has & HAS_ASK) !== 0;
    const ingestTimeUs = at.cutTimeUs - 1000 * base.ageMs;
    this.hand({
      symbol: this.symbol,
      instrument: entry.instrument,
      bid: bid ? base.bid : null,
      bidSize: bid ? base.bidSize : null,
      ask: ask ? base.ask : null,
      askSize: ask ? base.askSize : null,
      exchangeTimeUs: (base.has & HAS_EXCHANGE_TIME) !== 0 ? ingestTimeUs - 1000 * base.transitMs : null,
      ingestTimeUs,
      cutTimeUs: at.cutTimeUs,
      receivedMs: at.receivedMs,
      quality,
      trading,
      full: base.full,
    });
  }

  private status(entry: InstrumentEntry): Pick<QuoteRow, 'quality' | 'trading'> {
    return { quality: this.base.known ? entry.status.quality : 'syncing', trading: entry.status.trading };
  }

  private hand(row: QuoteRow): void {
    this.row = row;
    for (const holder of this.holders) holder.changed(row);
  }
}

export interface TradeHolder extends Holder {
  happened(event: TradeEvent): void;
}

/** Missing trades that were told of, but that trades still to come may lie ahead of. */
type Hole = { type: 'lost' | 'gap'; epoch: Epoch; from: number; to: number };

const sides = ['unknown', 'buy', 'sell'] as const;
const kinds = ['trade', 'correction', 'cancellation'] as const;
/** Holes that wait at a time; with more the oldest is told at once. */
const MAX_HOLES = 64;

export class TradeTopic extends Topic<TradeHolder> {
  readonly channel = 'trade';
  /** The last trade handed out or told missing: nothing up to it comes again. */
  position: { epoch: Epoch; sequence: number } | undefined;
  private ring: TradeRow[] = [];
  private base = new TradeBase();
  private holes: Hole[] = [];

  /** missed is told of every run of trades that will not come. */
  constructor(
    symbol: string,
    private readonly missed: (count: number) => void,
  ) {
    super(symbol);
  }

  override unbind(): void {
    super.unbind();
    this.base = new TradeBase();
  }

  /** The newest trades, oldest first. */
  newest(count: number): TradeRow[] {
    return count === 0 ? [] : this.ring.slice(-count);
  }

  /** The same as events for one who comes late, with what is missing between and behind them. */
  replay(count: number): TradeEvent[] {
    const events: TradeEvent[] = [];
    let last: TradeTopic['position'];
    const reach = (epoch: Epoch, sequence: number) => {
      const from = last === undefined ? sequence : last.epoch === epoch ? last.sequence + 1 : 1;
      if (from < sequence)
        events.push({ type: 'gap', symbol: this.symbol, epoch, from, to: sequence - 1, count: sequence - from });
    };
    for (const trade of this.newest(count)) {
      reach(trade.epoch, trade.sequence);
      events.push({ type: 'trade', trade });
      last = trade;
    }
    if (last !== undefined && this.position !== undefined) reach(this.position.epoch, this.position.sequence + 1);
    return events;
  }

  apply(wire: WireTrade, at: Moment): Applied {
    const { base } = this;
    const applied = base.apply(wire);
    if (applied !== 'ok') {
      // A trade that numbers cannot hold is told as missing, so that a repair does not bring it back.
      if (applied === 'unsafe' && this.position !== undefined)
        this.miss('gap', this.position.epoch, this.position.sequence + 1, this.position.sequence + 1);
      return applied;
    }
    this.repairAt = undefined;
    if (this.position !== undefined && !before(this.position.epoch, this.position.sequence, base.epoch, base.sequence)) {
      if (!this.startedAgain(wire)) return 'ok'; // seen before
      this.position = { epoch: base.epoch, sequence: 0 };
    }
    while (this.holes.length > 0 && before(this.holes[0]!.epoch, this.holes[0]!.from, base.epoch, base.sequence))
      this.tell(this.holes.shift()!);
    this.missBefore(base.epoch, base.sequence);
    this.position = { epoch: base.epoch, sequence: base.sequence };
    this.keep(this.row(wire, at));
    while (this.holes[0]?.epoch === base.epoch && this.isNext(this.holes[0])) this.tell(this.holes.shift()!);
    return 'ok';
  }

  /** Takes in what the server says is missing; settle() tells of it when its turn has come. */
  hole(type: 'lost' | 'gap', range: WireRange): void {
    if (range.to < range.from) return;
    this.holes.push({ type, epoch: range.epoch, from: range.from, to: range.to });
    this.holes.sort((a, b) => (a.epoch === b.epoch ? a.from - b.from : a.epoch < b.epoch ? -1 : 1));
  }

  /**
   * Tells of the holes that no trade can still lie ahead of; called behind the rows of a frame, since only
   * then it is certain that an epoch before theirs has no more.
   */
  settle(): void {
    while (this.holes.length > 0 && (this.holes.length > MAX_HOLES || this.isNext(this.holes[0]!)))
      this.tell(this.holes.shift()!);
  }

  private isNext(hole: Hole): boolean {
    const last = this.position;
    return last === undefined || hole.epoch < last.epoch || hole.from <= (hole.epoch === last.epoch ? last.sequence + 1 : 1);
  }

  private tell(hole: Hole): void {
    const last = this.position;
    const from = last !== undefined && last.epoch === hole.epoch ? Math.max(hole.from, last.sequence + 1) : hole.from;
    if (from > hole.to) return; // all of it came after all
    this.missBefore(hole.epoch, from);
    this.miss(hole.type, hole.epoch, from, hole.to);
  }

  /** Numbers that were skipped without a word are missing all the same. */
  private missBefore(epoch: Epoch, sequence: number): void {
    const last = this.position;
    if (last === undefined || epoch < last.epoch) return;
    const next = last.epoch === epoch ? last.sequence + 1 : 1;
    if (next < sequence) this.miss('gap', epoch, next, sequence - 1);
  }

  private miss(type: 'lost' | 'gap', epoch: Epoch, from: number, to: number): void {
    const missed: MissedTrades = { symbol: this.symbol, epoch, from, to, count: to - from + 1 };
    if (this.position === undefined || before(this.position.epoch, this.position.sequence, epoch, to))
      this.position = { epoch, sequence: to };
    this.missed(missed.count);
    this.hand(type === 'lost' ? { type, by: 'server', ...missed } : { type, ...missed });
  }

  /**
   * Whether a trade that should have come before is in truth a new one under an old number, as from a
   * server that lost count: what is held under that number is another trade, or the trade is younger than
   * the last. Without this such a feed would stay silent until it had caught up.
   */
  private startedAgain(wire: WireTrade): boolean {
    const { base } = this;
    const held = this.ring.find((t) => t.epoch === base.epoch && t.sequence === base.sequence);
    const exchangeTimeUs = base.exchangeTimeUs === 0 ? null : base.exchangeTimeUs;
    if (held !== undefined)
      return (
        held.price !== base.price || held.size !== wire.size || held.exchangeTimeUs !== exchangeTimeUs || held.id !== this.id
      );
    const last = this.ring.at(-1);
    if (last === undefined) return false;
    return exchangeTimeUs !== null && last.exchangeTimeUs !== null
      ? exchangeTimeUs > last.exchangeTimeUs
      : base.ingestTimeUs > last.ingestTimeUs;
  }

  private get id(): number | string | null {
    const { id } = this.base;
    return id === 0 ? null : typeof id === 'bigint' ? String(id) : id;
  }

  private row(wire: WireTrade, at: Moment): TradeRow {
    const { base } = this;
    return {
      symbol: this.symbol,
      instrument: this.entry!.instrument,
      price: base.price,
      size: wire.size,
      aggressor: sides[wire.aggressor] ?? 'unknown',
      exchangeTimeUs: base.exchangeTimeUs === 0 ? null : base.exchangeTimeUs,
      ingestTimeUs: base.ingestTimeUs,
      cutTimeUs: at.cutTimeUs,
      receivedMs: at.receivedMs,
      id: this.id,
      kind: kinds[wire.kind] ?? 'trade',
      refersTo: wire.refersTo === 0 ? null : wire.refersTo,
      epoch: base.epoch,
      sequence: base.sequence,
    };
  }

  private keep(trade: TradeRow): void {
    let most = 0;
    for (const holder of this.holders) most = Math.max(most, holder.buffer);
    this.ring.push(trade);
    // Cut in one go now and then, so that a push costs the same however much is kept.
    if (this.ring.length > 2 * most + 16) this.ring = this.newest(Math.max(1, most));
    this.hand({ type: 'trade', trade });
  }

  private hand(event: TradeEvent): void {
    for (const holder of this.holders) holder.happened(event);
  }
}
