/** One view of one instrument on one channel, however many stores look at it. */

import type { InstrumentEntry } from './instruments.js';
import type { Applied } from '../stores/rows.js';
import type { Epoch, Grant, SubscribeResult } from '../types.js';
import type { RowLists, Rows, WireRange } from '../wire/frame.js';

export type Channel = 'quote' | 'trade' | 'status' | 'book' | 'bar' | 'stats';

/** The form in which a channel is subscribed; what the channel does not know is 0. */
export interface View {
  readonly depth: number;
  readonly priceGroup: number;
  readonly barSeconds: number;
  readonly summary: boolean;
}

export const PLAIN: View = { depth: 0, priceGroup: 0, barSeconds: 0, summary: false };

/** Equal for equal views. */
export function viewKey(view: View): string {
  return `${view.depth} ${view.priceGroup} ${view.barSeconds} ${view.summary ? 1 : 0}`;
}

/** A channel in one view: what a store subscribes. */
export interface Kind<T extends Topic = Topic> {
  readonly channel: Channel;
  readonly view: View;
  /** How its rows are read; undefined: statuses, which every client reads. */
  readonly rows: (() => RowLists) | undefined;
  make(symbol: string): T;
}

export function kindKey(kind: Kind<any>): string {
  return `${kind.channel} ${viewKey(kind.view)}`;
}

export function topicKey(kind: Kind<any>, symbol: string): string {
  return `${kindKey(kind)} ${symbol}`;
}

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
  /** A topic that a pattern matched, or that stands in for another one. */
  adopt(topic: Topic): void;
  /** A row came: its share of what was conflated, and its age. */
  took(conflated: number, lagMs: number): void;
  /** Events that will not come. */
  missed(count: number): void;
}

/** When a frame froze the state in its rows, and when it arrived. */
export interface Moment {
  readonly cutTimeUs: number;
  readonly receivedMs: number;
}

/** absent: the server does not know that we want it. asked: not yet answered. */
export type Phase = 'absent' | 'asked' | 'live' | 'refused';

export abstract class Topic<H extends Holder = any> {
  readonly holders = new Set<H>();
  phase: Phase = 'absent';
  entry: InstrumentEntry | undefined;
  grant: Grant | undefined;
  /** Whom the client's own count of missing events is kept by. */
  report: (missed: number) => void = () => {};
  /** When feedd took in the newest tick of the last row. */
  ingestTimeUs = 0;

  // Of this connection.
  handle = 0;
  /** The cadence that was asked for last; undefined: the server's default. */
  wish: number | undefined;

  // Repair of a subscription whose base was lost.
  /** When to ask for it anew, on the client's clock; undefined: nothing to repair. */
  repairAt: number | undefined;
  repairs = 0;
  repairedAt = 0;

  constructor(
    readonly kind: Kind<any>,
    readonly symbol: string,
  ) {}

  /** The list of a frame that holds its rows; undefined: statuses, which have handles of their own. */
  abstract readonly list: keyof Rows | undefined;
  /** Where to go on after a reconnect. */
  readonly position: { epoch: Epoch; sequence: number } | undefined = undefined;

  /** Takes in a row of its list. */
  abstract apply(wire: any, at: Moment): Applied;
  /** The instrument's status or definition is another. */
  abstract statusChanged(): void;
  /** Takes in what the server says is missing. */
  hole(_type: 'lost' | 'gap', _range: WireRange): void {}
  /** All rows of a frame with holes were applied. */
  settle(): void {}

  /** Tells that events will not come. */
  protected missed(count: number): void {
    this.report(count);
    for (const holder of this.holders) holder.missed(count);
  }

  took(conflated: number, lagMs: number): void {
    for (const holder of this.holders) holder.took(conflated, lagMs);
  }

  /** Forgets what belonged to one subscription on one connection. */
  unbind(): void {
    this.phase = 'absent';
    this.handle = 0;
    this.wish = undefined;
    this.repairAt = undefined;
  }
}

