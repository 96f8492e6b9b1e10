import { Latest, LatestTopic } from './latest.js';
import type { Applied } from './rows.js';
import { type Kind, type Moment, PLAIN } from '../subscriptions/topic.js';
import type { CoreClient, Epoch, QuoteOptions, SummaryRow, SummaryStore } from '../types.js';
import type { WireRange } from '../wire/frame.js';
import { type WireSummary, summaryRows } from '../wire/pictures.js';

export const SUMMARIES: Kind<SummaryTopic> = {
  channel: 'trade',
  view: { ...PLAIN, summary: true },
  rows: summaryRows,
  make: (symbol) => new SummaryTopic(SUMMARIES, symbol),
};

class SummaryTopic extends LatestTopic<SummaryRow> {
  readonly list = 'summaries';
  /** The last trade in a sum: after a reconnect one row sums up what came since. */
  override position: { epoch: Epoch; sequence: number } | undefined = undefined;

  apply(wire: WireSummary, at: Moment): Applied {
    if (wire.unsafe) return 'unsafe';
    this.repairAt = undefined;
    const { last, volume, trades, epoch, sequence } = wire;
    this.position = { epoch, sequence };
    const ingestTimeUs = (this.ingestTimeUs = at.cutTimeUs - 1000 * wire.ageMs);
    this.hand({
      symbol: this.symbol,
      instrument: this.entry!.instrument,
      trades,
      volume,
      high: last + wire.high,
      low: last + wire.low,
      last,
      epoch,
      sequence,
      exchangeTimeUs: ingestTimeUs - 1000 * wire.transitMs,
      ingestTimeUs,
      cutTimeUs: at.cutTimeUs,
      receivedMs: at.receivedMs,
    });
    return 'ok';
  }

  /** A sum has no place for what is missing: it is counted. */
  override hole(_type: 'lost' | 'gap', range: WireRange): void {
    if (range.to >= range.from && !range.recovered) this.missed(range.to - range.from + 1);
  }

  statusChanged(): void {}
}

export class Summaries extends Latest<SummaryRow> implements SummaryStore {
  /** Sums begin with the subscription. */
  override readonly history = 0;

  constructor(client: CoreClient, symbols: readonly string[], options: QuoteOptions = {}) {
    super(client, SUMMARIES, symbols, options);
  }

  /** A loop begins with what trades from here on: the sum of a row that is past was not asked for. */
  protected override first(): SummaryRow[] {
    return [];
  }

  protected override catchUp(): void {}

  protected override merged(before: SummaryRow, row: SummaryRow): SummaryRow {
    return {
      ...row,
      trades: before.trades + row.trades,
      volume: before.volume + row.volume,
      high: Math.max(before.high, row.high),
      low: Math.min(before.low, row.low),
    };
  }
}
