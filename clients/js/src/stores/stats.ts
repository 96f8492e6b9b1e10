import { formatDecimal } from '../decimal.js';
import { LatestTopic } from './latest.js';
import type { Applied } from './rows.js';
import { type Kind, type Moment, PLAIN } from '../subscriptions/topic.js';
import type { StatsRow, StatsWindow } from '../types.js';
import { type WireStats, statsRows } from '../wire/pictures.js';

export const STATS: Kind<StatsTopic> = { channel: 'stats', view: PLAIN, rows: statsRows, make: (symbol) => new StatsTopic(STATS, symbol) };

/** Numbers that rows without `full` are added to. */
const SUMS = [
  'transitMs', 'last', 'open', 'high', 'low', 'volume', 'trades', 'vwap', 'sessionOpen', 'sessionHigh', 'sessionLow', 'sessionVolume',
  'sessionTrades', 'sessionVwap', 'sessionStartS', 'previousClose', 'settlement', 'mark', 'index', 'openInterest', 'fundingRateE8',
] as const;

/** What the venue states, in the order of the bits of `has`. */
const STATED = ['previousClose', 'settlement', 'mark', 'index', 'openInterest', 'fundingRateE8'] as const;

export class StatsTopic extends LatestTopic<StatsRow> {
  readonly list = 'stats';
  /** The row that the next difference is added to. */
  #base: WireStats | undefined;

  override unbind(): void {
    super.unbind();
    this.#base = undefined;
  }

  apply(wire: WireStats, at: Moment): Applied {
    const base = this.#base;
    if (wire.unsafe) return this.#void('unsafe');
    if (wire.full) this.#base = { ...wire, has: Math.max(0, wire.has) };
    else if (base === undefined) return 'no-base';
    else {
      for (const name of SUMS) {
        base[name] += wire[name];
        if (!Number.isSafeInteger(base[name])) return this.#void('unsafe');
      }
      if (wire.has >= 0) base.has = wire.has;
      if (wire.turnover !== '') base.turnover = wire.turnover;
      if (wire.sessionTurnover !== '') base.sessionTurnover = wire.sessionTurnover;
    }
    this.repairAt = undefined;
    this.#show(this.#base!, wire.ageMs, at);
    return 'ok';
  }

  statusChanged(): void {
    const { row, entry } = this;
    if (row !== undefined && row.instrument !== entry?.instrument) this.hand({ ...row, instrument: entry!.instrument });
  }

  #show(base: WireStats, ageMs: number, at: Moment): void {
    const ingestTimeUs = (this.ingestTimeUs = at.cutTimeUs - 1000 * ageMs);
    const { last, sessionStartS } = base;
    const day = window(last, base.trades, base.open, base.high, base.low, base.volume, base.turnover, base.vwap);
    const session = window(
      last, base.sessionTrades, base.sessionOpen, base.sessionHigh, base.sessionLow, base.sessionVolume, base.sessionTurnover,
      base.sessionVwap,
    );
    const stated = STATED.map((name, bit) => ((base.has >> bit) & 1 ? base[name] : null));
    this.hand({
      symbol: this.symbol,
      instrument: this.entry!.instrument,
      // A price of 0 with nothing traded is none.
      last: last === 0 && day === null && session === null ? null : last,
      day,
      session,
      sessionStartS,
      previousClose: stated[0]!,
      settlement: stated[1]!,
      mark: stated[2]!,
      index: stated[3]!,
      openInterest: stated[4]!,
      fundingRateE8: stated[5]!,
      exchangeTimeUs: ingestTimeUs - 1000 * base.transitMs,
      ingestTimeUs,
      cutTimeUs: at.cutTimeUs,
      receivedMs: at.receivedMs,
    });
  }

  #void(why: Applied): Applied {
    this.#base = undefined;
    return why;
  }
}

function window(
  last: number, trades: number, open: number, high: number, low: number, volume: number, turnover: string, vwap: number,
): StatsWindow | null {
  return trades === 0 ? null : { open, high, low, change: last - open, volume, turnover, vwap, trades };
}

/**
 * A change in per cent of where it began, with its sign and two decimals, rounded half away from zero: "+1.25". "–" where
 * that cannot be said: nothing was traded, or the open is not above 0.
 */
export function formatChangePercent(window: Pick<StatsWindow, 'open' | 'change'> | null): string {
  if (window === null || window.open <= 0) return '–';
  // In whole numbers, since 10,000 times a price may outgrow what a number holds exactly.
  const open = BigInt(window.open);
  const change = BigInt(Math.abs(window.change));
  const hundredths = Number((change * 20_000n + open) / (open * 2n));
  if (!Number.isSafeInteger(hundredths)) return '–';
  const sign = hundredths === 0 ? '' : window.change < 0 ? '-' : '+';
  return sign + formatDecimal(hundredths, 2);
}
