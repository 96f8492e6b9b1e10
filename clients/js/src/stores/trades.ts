import { type Applied, TradeBase, before } from './rows.js';
import { type Holder, type Kind, type Moment, PLAIN, Topic } from '../subscriptions/topic.js';
import type { Epoch, MissedTrades, TradeEvent, TradeRow } from '../types.js';
import type { WireRange } from '../wire/frame.js';
import { type WireTrade, tradeRows } from '../wire/ticks.js';

export const TRADES: Kind<TradeTopic> = {
  channel: 'trade',
  view: PLAIN,
  rows: tradeRows,
  make: (symbol) => new TradeTopic(TRADES, symbol),
};

export interface TradeHolder extends Holder {
  happened(event: TradeEvent): void;
}

/** Missing trades that were told of, but that trades still to come may lie ahead of. */
type Hole = { type: 'lost' | 'gap'; epoch: Epoch; from: number; to: number; recovered: boolean };

const sides = ['unknown', 'buy', 'sell'] as const;
const kinds = ['trade', 'correction', 'cancellation'] as const;
/** Holes that wait at a time; with more the oldest is told at once. Recovered ones that trades are taken for, likewise. */
const MAX_HOLES = 64;

export class TradeTopic extends Topic<TradeHolder> {
  readonly list = 'trades';
  /** The last trade handed out or told missing: nothing up to it comes again, but for what is recovered. */
  override position: { epoch: Epoch; sequence: number } | undefined = undefined;
  #ring: TradeRow[] = [];
  #base = new TradeBase();
  #holes: Hole[] = [];
  /** Behind the position, but to come after all. */
  #recovering: Hole[] = [];

  override unbind(): void {
    super.unbind();
    this.#base = new TradeBase();
  }

  /** The newest trades, oldest first. */
  newest(count: number): TradeRow[] {
    return count === 0 ? [] : this.#ring.slice(-count);
  }

  /** The same as events for one who comes late, with what is missing between and behind them. */
  replay(count: number): TradeEvent[] {
    const events: TradeEvent[] = [];
    let last: TradeTopic['position'];
    const reach = (epoch: Epoch, sequence: number) => {
      const from = last === undefined ? sequence : last.epoch === epoch ? last.sequence + 1 : 1;
      if (from < sequence)
        events.push({ type: 'gap', recovered: false, symbol: this.symbol, epoch, from, to: sequence - 1, count: sequence - from });
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
    const base = this.#base;
    const applied = base.apply(wire);
    if (applied !== 'ok') {
      // A trade that numbers cannot hold is told as missing, so that a repair does not bring it back.
      if (applied === 'unsafe' && this.position !== undefined)
        this.#miss('gap', this.position.epoch, this.position.sequence + 1, this.position.sequence + 1);
      return applied;
    }
    this.repairAt = undefined;
    this.ingestTimeUs = base.ingestTimeUs;
    if (this.#isRecovered()) {
      this.#insert(this.#row(wire, at));
      return 'ok';
    }
    if (this.position !== undefined && !before(this.position.epoch, this.position.sequence, base.epoch, base.sequence)) {
      if (!this.#startedAgain(wire)) return 'ok'; // seen before
      this.position = { epoch: base.epoch, sequence: 0 };
    }
    while (this.#holes.length > 0 && before(this.#holes[0]!.epoch, this.#holes[0]!.from, base.epoch, base.sequence))
      this.#tell(this.#holes.shift()!);
    this.#missBefore(base.epoch, base.sequence);
    this.position = { epoch: base.epoch, sequence: base.sequence };
    this.#keep(this.#row(wire, at));
    while (this.#holes[0]?.epoch === base.epoch && this.#isNext(this.#holes[0])) this.#tell(this.#holes.shift()!);
    return 'ok';
  }

  /** Takes in what the server says is missing; settle() tells of it when its turn has come. */
  override hole(type: 'lost' | 'gap', range: WireRange): void {
    if (range.to < range.from) return;
    const { epoch, from, to, recovered } = range;
    const last = this.position;
    if (recovered && last !== undefined && !before(last.epoch, last.sequence, epoch, from)) {
      // Told missing before, and found since.
      this.#recovering.push({ type, epoch, from, to: Math.min(to, epoch === last.epoch ? last.sequence : to), recovered });
      if (this.#recovering.length > MAX_HOLES) this.#recovering.shift();
      this.#hand({ type: 'gap', recovered, symbol: this.symbol, epoch, from, to, count: to - from + 1 });
      return;
    }
    this.#holes.push({ type, epoch, from, to, recovered });
    this.#holes.sort((a, b) => (a.epoch === b.epoch ? a.from - b.from : a.epoch < b.epoch ? -1 : 1));
  }

  /**
   * Tells of the holes that no trade can still lie ahead of; called behind the rows of a frame, since only
   * then it is certain that an epoch before theirs has no more.
   */
  override settle(): void {
    while (this.#holes.length > 0 && (this.#holes.length > MAX_HOLES || this.#isNext(this.#holes[0]!)))
      this.#tell(this.#holes.shift()!);
  }

  #isNext(hole: Hole): boolean {
    const last = this.position;
    return last === undefined || hole.epoch < last.epoch || hole.from <= (hole.epoch === last.epoch ? last.sequence + 1 : 1);
  }

  #tell(hole: Hole): void {
    const last = this.position;
    const from = last !== undefined && last.epoch === hole.epoch ? Math.max(hole.from, last.sequence + 1) : hole.from;
    if (from > hole.to) return; // all of it came after all
    this.#missBefore(hole.epoch, from);
    if (!hole.recovered) this.#miss(hole.type, hole.epoch, from, hole.to);
    else this.#hand({ type: 'gap', recovered: true, symbol: this.symbol, epoch: hole.epoch, from, to: hole.to, count: hole.to - from + 1 });
  }

  /** Numbers that were skipped without a word are missing all the same. */
  #missBefore(epoch: Epoch, sequence: number): void {
    const last = this.position;
    if (last === undefined || epoch < last.epoch) return;
    const next = last.epoch === epoch ? last.sequence + 1 : 1;
    if (next < sequence) this.#miss('gap', epoch, next, sequence - 1);
  }

  #miss(type: 'lost' | 'gap', epoch: Epoch, from: number, to: number): void {
    const missed: MissedTrades = { symbol: this.symbol, epoch, from, to, count: to - from + 1 };
    if (this.position === undefined || before(this.position.epoch, this.position.sequence, epoch, to))
      this.position = { epoch, sequence: to };
    this.missed(missed.count);
    this.#hand(type === 'lost' ? { type, by: 'server', ...missed } : { type, recovered: false, ...missed });
  }

  /** Whether the trade lies where the server said that it would find some. */
  #isRecovered(): boolean {
    const { epoch, sequence } = this.#base;
    return this.#recovering.some((h) => h.epoch === epoch && h.from <= sequence && sequence <= h.to);
  }

  /** Puts a recovered trade in its place in the ring; one that is there already stays alone. */
  #insert(trade: TradeRow): void {
    let at = this.#ring.length;
    while (at > 0 && before(trade.epoch, trade.sequence, this.#ring[at - 1]!.epoch, this.#ring[at - 1]!.sequence)) at--;
    const held = this.#ring[at - 1];
    if (held !== undefined && held.epoch === trade.epoch && held.sequence === trade.sequence) return;
    this.#ring.splice(at, 0, trade);
    this.#hand({ type: 'trade', trade });
  }

  /**
   * Whether a trade that should have come before is in truth a new one under an old number, as from a
   * server that lost count: what is held under that number is another trade, or the trade is younger than
   * the last. Without this such a feed would stay silent until it had caught up.
   */
  #startedAgain(wire: WireTrade): boolean {
    const base = this.#base;
    const held = this.#ring.find((t) => t.epoch === base.epoch && t.sequence === base.sequence);
    const exchangeTimeUs = base.exchangeTimeUs === 0 ? null : base.exchangeTimeUs;
    if (held !== undefined)
      return (
        held.price !== base.price || held.size !== wire.size || held.exchangeTimeUs !== exchangeTimeUs || held.id !== this.#id
      );
    const last = this.#ring.at(-1);
    if (last === undefined) return false;
    return exchangeTimeUs !== null && last.exchangeTimeUs !== null
      ? exchangeTimeUs > last.exchangeTimeUs
      : base.ingestTimeUs > last.ingestTimeUs;
  }

  get #id(): number | string | null {
    const { id } = this.#base;
    return id === 0 ? null : typeof id === 'bigint' ? String(id) : id;
  }

  #row(wire: WireTrade, at: Moment): TradeRow {
    const base = this.#base;
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
      id: this.#id,
      kind: kinds[wire.kind] ?? 'trade',
      refersTo: wire.refersTo === 0 ? null : wire.refersTo,
      epoch: base.epoch,
      sequence: base.sequence,
    };
  }

  statusChanged(): void {} // a trade is what it was

  #keep(trade: TradeRow): void {
    let most = 0;
    for (const holder of this.holders) most = Math.max(most, holder.buffer);
    this.#ring.push(trade);
    // Cut in one go now and then, so that a push costs the same however much is kept.
    if (this.#ring.length > 2 * most + 16) this.#ring = this.newest(Math.max(1, most));
    this.#hand({ type: 'trade', trade });
  }

  #hand(event: TradeEvent): void {
    for (const holder of this.holders) holder.happened(event);
  }
}
