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

export interface BookState {
  readonly bids: Map<number, number>;
  readonly asks: Map<number, number>;
  sequence: number;
  ingestUs: number;
}

export class Market {
  quote: QuoteState | undefined;
  book: BookState = { bids: new Map(), asks: new Map(), sequence: 0, ingestUs: 0 };
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

/** The row of a book that was sent in another state before, or not at all; undefined: nothing changed. */
export function bookRow(now: BookState, sent: BookState | undefined): { bids: bigint[]; asks: bigint[]; sequence?: bigint } | undefined {
  if (now.sequence === 0 || now.sequence === sent?.sequence) return undefined;
  const side = (name: 'bids' | 'asks') => {
    const before = sent?.[name] ?? new Map<number, number>();
    const changed = [...now[name]].filter(([price, size]) => before.get(price) !== size);
    const gone = [...before.keys()].filter((price) => !now[name].has(price)).map((price) => [price, 0] as const);
    return packed([...changed, ...gone].sort((a, b) => (name === 'bids' ? b[0] - a[0] : a[0] - b[0])));
  };
  return { bids: side('bids'), asks: side('asks'), ...(sent === undefined && { sequence: BigInt(now.sequence) }) };
}

/** Pairs of price and size, each price as the difference to the one before. */
export function packed(levels: ReadonlyArray<readonly [price: number, size: number]>): bigint[] {
  let last = 0;
  return levels.flatMap(([price, size]) => {
    const difference = price - last;
    last = price;
    return [BigInt(difference), BigInt(size)];
  });
}
