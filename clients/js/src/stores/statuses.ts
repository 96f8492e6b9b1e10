import { LatestTopic } from './latest.js';
import type { Applied } from './rows.js';
import { type Kind, PLAIN } from '../subscriptions/topic.js';
import type { StatusRow } from '../types.js';

export const STATUSES: Kind<StatusTopic> = { channel: 'status', view: PLAIN, rows: undefined, make: (symbol) => new StatusTopic(STATUSES, symbol) };

/** Its rows come to the instruments, by a handle of the instrument's own; here only what became of them is told. */
export class StatusTopic extends LatestTopic<StatusRow> {
  readonly list = undefined;

  apply(): Applied {
    return 'ok';
  }

  statusChanged(): void {
    const { entry } = this;
    if (entry === undefined || !entry.told) return;
    const { status, instrument, source } = entry;
    this.hand({ ...status, instrument, source });
  }
}
