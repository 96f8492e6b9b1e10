/** Topics whose rows come from the worker, ready made. Each belongs to one store of one tab. */

import { type BarHolder, type BarTopic, barKind } from '../stores/bars.js';
import type { BookHolder, BookTopic } from '../stores/books.js';
import { LatestTopic } from '../stores/latest.js';
import { Levels } from '../stores/levels.js';
import { type Applied, before } from '../stores/rows.js';
import type { TradeHolder, TradeTopic } from '../stores/trades.js';
import { type Kind, Topic } from '../subscriptions/topic.js';
import type { BarEvent, BarRow, Quality, RowTimes, TradeEvent, TradeRow } from '../types.js';
import type { BareRow, BookNews } from './messages.js';

/** What a topic takes from the worker. */
export interface Remote<N> {
  put(news: N): void;
}

export class RemoteLatest extends LatestTopic<BareRow> implements Remote<BareRow> {
  readonly list = undefined;

  apply(): Applied {
    return 'ok'; // rows do not come as bytes here
  }

  statusChanged(): void {}

  put(row: BareRow): void {
    this.hand(row);
  }
}

/** Stands in for a TradeTopic. */
export class RemoteTrades extends Topic<TradeHolder> implements Remote<TradeEvent>, Pick<TradeTopic, 'newest' | 'replay'> {
  readonly list = undefined;
  override position: Topic['position'] = undefined;
  #rows: TradeRow[] = [];

  apply(): Applied {
    return 'ok';
  }

  statusChanged(): void {}

  newest(count: number): TradeRow[] {
    return count === 0 ? [] : this.#rows.slice(-count);
  }

  /** A store holds its topic from before the first event. */
  replay(): TradeEvent[] {
    return [];
  }

  put(event: TradeEvent): void {
    const { epoch, sequence } = event.type === 'trade' ? event.trade : { epoch: event.epoch, sequence: event.to };
    // A page that comes back from the back-forward cache is given the last trades once more.
    if (this.position !== undefined && !before(this.position.epoch, this.position.sequence, epoch, sequence) && event.type === 'trade' && this.#rows.some((row) => row.epoch === epoch && row.sequence === sequence)) return;
    if (event.type === 'trade') {
      const at = this.#rows.findLastIndex((row) => before(row.epoch, row.sequence, epoch, sequence));
      this.#rows.splice(at + 1, 0, event.trade);
      let most = 1;
      for (const holder of this.holders) most = Math.max(most, holder.buffer);
      if (this.#rows.length > 2 * most) this.#rows = this.newest(most);
    }
    if (this.position === undefined || before(this.position.epoch, this.position.sequence, epoch, sequence)) this.position = { epoch, sequence };
    for (const holder of this.holders) holder.happened(event);
  }
}

/** Stands in for a BarTopic. */
export class RemoteBars extends Topic<BarHolder> implements Remote<BarEvent>, Pick<BarTopic, 'newest'> {
  readonly list = undefined;
  #rows: BarRow[] = [];

  constructor(seconds: number, symbol: string) {
    super(barKind(seconds), symbol);
  }

  apply(): Applied {
    return 'ok';
  }

  statusChanged(): void {}

  newest(count: number): BarRow[] {
    return count === 0 ? [] : this.#rows.slice(-count);
  }

  put(event: BarEvent): void {
    if (event.type === 'reset') this.#rows = [];
    else if (event.type === 'gone') this.#rows = this.#rows.filter((row) => row.startS !== event.startS);
    else if (event.type === 'bar') this.#keep(event.bar);
    for (const holder of this.holders) holder.happened(event);
  }

  #keep(bar: BarRow): void {
    const at = this.#rows.findLastIndex((row) => row.startS <= bar.startS);
    if (this.#rows[at]?.startS === bar.startS) this.#rows[at] = bar;
    else this.#rows.splice(at + 1, 0, bar);
    let most = 1;
    for (const holder of this.holders) most = Math.max(most, holder.buffer);
    if (this.#rows.length > most + (most >> 2) + 16) this.#rows = this.newest(most);
  }
}

/** Stands in for a BookTopic. */
export class RemoteBook extends Topic<BookHolder> implements Remote<BookNews>, Pick<BookTopic, 'bids' | 'asks' | 'times' | 'complete' | 'quality' | 'checksums'> {
  readonly list = undefined;
  readonly bids = new Levels(1);
  readonly asks = new Levels(-1);
  times: RowTimes | undefined;
  complete = false;
  quality: Quality = 'unknown';
  checksums = { right: 0, wrong: 0 };

  apply(): Applied {
    return 'ok';
  }

  statusChanged(): void {}

  put(news: BookNews): void {
    ({ times: this.times, complete: this.complete, quality: this.quality } = news);
    this.checksums = { ...news.checksums };
    for (const name of ['bids', 'asks'] as const) {
      if (news.reset) this[name].clear();
      for (const { price, size } of news[name]) {
        this[name].set(price, size);
        if (!news.reset) for (const holder of this.holders) holder.level(name, price, size);
      }
    }
    for (const holder of this.holders) {
      if (news.reset) holder.restated();
      else holder.touched();
    }
  }
}

/** The topic of a kind for one symbol. */
export function remoteTopic(kind: Kind<any>, symbol: string): Topic & Remote<any> {
  if (kind.channel === 'book') return new RemoteBook(kind, symbol);
  if (kind.channel === 'bar') return new RemoteBars(kind.view.barSeconds, symbol);
  if (kind.channel === 'trade' && !kind.view.summary) return new RemoteTrades(kind, symbol);
  return new RemoteLatest(kind, symbol);
}
