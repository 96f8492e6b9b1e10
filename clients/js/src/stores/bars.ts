import type { Applied } from './rows.js';
import { type Holder, type Kind, type Moment, PLAIN, Topic } from '../subscriptions/topic.js';
import type { BarEvent, BarRow } from '../types.js';
import type { WireRange } from '../wire/frame.js';
import { type WireBar, barRows } from '../wire/pictures.js';

/** Lengths of bars that servers make, in seconds. */
export const BAR_SECONDS: readonly number[] = [1, 60, 300, 900, 3600, 86400];

const kinds = new Map<number, Kind<BarTopic>>();

/** The channel of bars of one length. */
export function barKind(seconds: number): Kind<BarTopic> {
  let kind = kinds.get(seconds);
  if (kind === undefined) {
    const made: Kind<BarTopic> = {
      channel: 'bar',
      view: { ...PLAIN, barSeconds: seconds },
      rows: barRows,
      make: (symbol) => new BarTopic(made, symbol),
    };
    kinds.set(seconds, (kind = made));
  }
  return kind;
}

export interface BarHolder extends Holder {
  happened(event: BarEvent): void;
}

/** Numbers that a row without a start adds to. */
const SUMS = ['open', 'high', 'low', 'close', 'volume', 'trades', 'vwap', 'transitMs'] as const;

export class BarTopic extends Topic<BarHolder> {
  readonly list = 'bars';
  /** By start, the newest last. */
  #bars: BarRow[] = [];
  /** The newest bar of this subscription as its rows add up. */
  #base: WireBar | undefined;

  override unbind(): void {
    super.unbind();
    this.#base = undefined;
  }

  /** The newest bars, oldest first. */
  newest(count: number): BarRow[] {
    return count === 0 ? [] : this.#bars.slice(-count);
  }

  apply(wire: WireBar, at: Moment): Applied {
    if (wire.unsafe) return this.#void('unsafe');
    const bar = wire.startS === 0 ? this.#grow(wire) : { ...wire };
    if (bar === undefined) return 'no-base';
    if (wire.startS !== 0) {
      bar.high += bar.open;
      bar.low += bar.open;
      bar.close += bar.open;
      bar.vwap += bar.open;
      if (this.#base === undefined) this.#join(bar.startS);
      // A bar that is stated anew need not be the newest, which differences are about.
      if (this.#base === undefined || bar.startS >= this.#base.startS) this.#base = bar;
    }
    for (const name of SUMS) if (!Number.isSafeInteger(bar[name])) return this.#void('unsafe');
    this.repairAt = undefined;
    if (bar.trades === 0) this.#drop(bar.startS);
    else this.#put(this.#row(bar, at));
    return 'ok';
  }

  /** Bars have no sequences: what is lost is told by their numbers, which are their starts in units of their length. */
  override hole(_type: 'lost' | 'gap', range: WireRange): void {
    if (range.to < range.from) return;
    this.missed(range.to - range.from + 1);
    const { barSeconds } = this.kind.view;
    this.#hand({ type: 'lost', symbol: this.symbol, fromS: range.from * barSeconds, toS: range.to * barSeconds });
  }

  statusChanged(): void {}

  /** The newest bar with a difference added. */
  #grow(wire: WireBar): WireBar | undefined {
    const base = this.#base;
    if (base === undefined) return undefined;
    for (const name of SUMS) base[name] += wire[name];
    base.ageMs = wire.ageMs;
    base.closed = wire.closed;
    return base;
  }

  /**
   * A subscription begins anew. Bars that are held stay where the new ones reach back to them; else there may be bars
   * between the two that nobody told of, and those held are let go.
   */
  #join(startS: number): void {
    const last = this.#bars.at(-1);
    if (last === undefined || startS <= last.startS) return;
    this.#bars = [];
    this.#hand({ type: 'reset', symbol: this.symbol });
  }

  #put(bar: BarRow): void {
    const bars = this.#bars;
    let at = bars.length;
    while (at > 0 && bars[at - 1]!.startS > bar.startS) at--;
    const first = bars[at - 1]?.startS !== bar.startS;
    if (first) bars.splice(at, 0, bar);
    else bars[at - 1] = bar;
    let most = 1;
    for (const holder of this.holders) most = Math.max(most, holder.buffer);
    // Cut in one go now and then, so that a bar costs the same however many are kept.
    if (bars.length > most + (most >> 2) + 16) this.#bars = this.newest(most);
    this.#hand({ type: 'bar', bar, first });
  }

  /** All trades of a bar were cancelled. */
  #drop(startS: number): void {
    const at = this.#bars.findLastIndex((bar) => bar.startS === startS);
    if (at < 0) return;
    this.#bars.splice(at, 1);
    this.#hand({ type: 'gone', symbol: this.symbol, startS });
  }

  #row(bar: WireBar, at: Moment): BarRow {
    const { startS, open, high, low, close, volume, trades, vwap, closed } = bar;
    const ingestTimeUs = (this.ingestTimeUs = at.cutTimeUs - 1000 * bar.ageMs);
    return {
      symbol: this.symbol,
      instrument: this.entry!.instrument,
      seconds: this.kind.view.barSeconds,
      startS,
      open,
      high,
      low,
      close,
      volume,
      trades,
      vwap,
      closed,
      exchangeTimeUs: ingestTimeUs - 1000 * bar.transitMs,
      ingestTimeUs,
      cutTimeUs: at.cutTimeUs,
      receivedMs: at.receivedMs,
    };
  }

  #void(why: Applied): Applied {
    this.#base = undefined;
    return why;
  }

  #hand(event: BarEvent): void {
    for (const holder of this.holders) holder.happened(event);
  }
}
