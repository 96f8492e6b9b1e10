/** Answers subscriptions of any channel, and leaves the rows to the test. */

import type { Subscribe } from '../gen/feed/v1/feed_pb.js';
import { settle } from './clock.js';
import type { Init, Session } from './protocol.js';
import type { World } from './world.js';

export class Desk {
  readonly asked: Subscribe[] = [];
  /** What patterns and lists come to; others are symbols. */
  readonly matches = new Map<string, string[]>();
  /** Handles by channel, view and symbol, as given out. */
  private readonly handles = new Map<string, number>();

  constructor(readonly w: World) {
    w.server.onRequest = (session, frame) => {
      if (frame.request.case !== 'subscribe') return false;
      this.answer(session, frame.id, frame.request.value);
      return true;
    };
  }

  get session(): Session {
    return this.w.server.last;
  }

  handle(symbol: string, channel: string): number {
    for (const [key, handle] of this.handles) if (key.startsWith(`${channel} `) && key.endsWith(` ${symbol}`)) return handle;
    throw new Error(`nobody subscribed ${channel} of ${symbol}`);
  }

  /** Sends a frame cut now, and lets the client take it in. */
  async send(init: Init): Promise<void> {
    this.session.send({ cutTimeUs: BigInt(this.w.server.nowUs), ...(init as object) });
    await settle();
  }

  instrument(symbol: string, more: object = {}) {
    return { symbol, priceScale: 2, sizeScale: 3, priceStep: 1n, source: symbol.split(':')[0]!, statusHandle: this.number(`status ${symbol}`), ...more };
  }

  result(symbol: string, s: Pick<Subscribe, 'channels' | 'depth' | 'priceGroup' | 'barSeconds' | 'tradeSummary'>, by = '') {
    const { depth, priceGroup, barSeconds, tradeSummary } = s;
    const channel = s.channels[0]!;
    const handle = channel === 'status' ? this.number(`status ${symbol}`) : this.number(`${channel} ${depth} ${priceGroup} ${barSeconds} ${tradeSummary} ${symbol}`);
    return { symbol, channel, handle, depth, priceGroup, barSeconds, tradeSummary, by };
  }

  private answer(session: Session, id: number, s: Subscribe): void {
    this.asked.push(s);
    const found = s.symbols.flatMap((text) => (this.matches.get(text) ?? [text]).map((symbol) => [symbol, this.matches.has(text) ? text : ''] as const));
    const results = found.map(([symbol, by]) => this.result(symbol, s, by));
    session.send({ replyTo: id, subscribed: { results, instruments: found.map(([symbol]) => this.instrument(symbol)) } });
  }

  private number(key: string): number {
    let handle = this.handles.get(key);
    if (handle === undefined) this.handles.set(key, (handle = this.handles.size + 1));
    return handle;
  }
}

