import { LatestTopic } from './latest.js';
import { type Applied, HAS_ASK, HAS_BID, HAS_EXCHANGE_TIME, QuoteBase } from './rows.js';
import { type Kind, type Moment, PLAIN } from '../subscriptions/topic.js';
import type { QuoteRow } from '../types.js';
import type { InstrumentEntry } from '../subscriptions/instruments.js';
import { type WireQuote, quoteRows } from '../wire/ticks.js';

export const QUOTES: Kind<QuoteTopic> = { channel: 'quote', view: PLAIN, rows: quoteRows, make: (symbol) => new QuoteTopic(QUOTES, symbol) };

export class QuoteTopic extends LatestTopic<QuoteRow> {
  readonly list = 'quotes';
  #base = new QuoteBase();

  override unbind(): void {
    super.unbind();
    this.#base = new QuoteBase();
  }

  apply(wire: WireQuote, at: Moment): Applied {
    const applied = this.#base.apply(wire);
    if (applied === 'ok') {
      this.repairAt = undefined;
      this.#show(at);
    }
    return applied;
  }

  /** A new row with the same prices and another status or definition. */
  statusChanged(): void {
    const { row, entry } = this;
    if (row === undefined || entry === undefined) return;
    const { quality, trading } = this.#status(entry);
    const { instrument } = entry;
    if (row.quality !== quality || row.trading !== trading || row.instrument !== instrument)
      this.hand({ ...row, instrument, quality, trading });
  }

  #show(at: Moment): void {
    const base = this.#base;
    const entry = this.entry!;
    const { quality, trading } = this.#status(entry);
    const bid = (base.has & HAS_BID) !== 0;
    const ask = (base.has & HAS_ASK) !== 0;
    const ingestTimeUs = (this.ingestTimeUs = at.cutTimeUs - 1000 * base.ageMs);
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

  #status(entry: InstrumentEntry): Pick<QuoteRow, 'quality' | 'trading'> {
    // A hole in the book says nothing of the quote, which has numbers of its own.
    const quality = entry.bookOnly ? 'ok' : entry.status.quality;
    // What is had no more is as old as it is, and stays so.
    return { quality: this.phase === 'refused' ? 'suspect' : this.#base.known ? quality : 'syncing', trading: entry.status.trading };
  }
}
