/** An instrument's market as the server of the tests knows it. */

import { Quality, Trading } from '../gen/feed/v1/feed_pb.js';

export interface QuoteState {
  bid: number;
  bidSize: number;
  ask: number;
  askSize: number;
  has: number;
  transitMs: number;
  ingestUs: number;
  sequence: number;
}

export type LogEntry =
  | {
      type: 'trade';
      epoch: number;
      sequence: number;
      price: number;
      size: number;
      id: number;
      exchangeUs: number;
      ingestUs: number;
    }
  | { type: 'gap'; epoch: number; from: number; to: number };

export class Market {
  quote: QuoteState | undefined;
  log: LogEntry[] = [];
  /** Trades so far in this epoch. */
  trades = 0;
  quality = Quality.OK;
  trading = Trading.OPEN;

  constructor(
    readonly symbol: string,
    readonly number: number,
  ) {}
}
