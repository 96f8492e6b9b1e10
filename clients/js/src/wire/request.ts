/** Requests of this client as bytes of feed.v1.ClientFrame. */

import type { Epoch } from '../types.js';
import { Writer } from './writer.js';

export const visibilities = { shown: 1, hidden: 2, paused: 3 } as const;

/** Where a channel was left off. */
export interface Resume {
  symbol: string;
  channel: string;
  epoch: Epoch;
  sequence: number;
}

export type Request =
  | { type: 'hello'; token: string; client: string }
  | { type: 'refreshToken'; token: string }
  | {
      type: 'subscribe';
      symbols: readonly string[];
      channels: readonly string[];
      cadenceMs?: number | undefined;
      history?: number | undefined;
      depth?: number | undefined;
      priceGroup?: number | undefined;
      barSeconds?: number | undefined;
      summary?: boolean | undefined;
      resume?: readonly Resume[] | undefined;
    }
  | { type: 'unsubscribe'; handles: readonly number[]; patterns?: readonly string[] | undefined }
  | {
      type: 'setRate';
      handles: readonly number[];
      cadenceMs?: number | undefined;
      visibility?: keyof typeof visibilities | undefined;
      maxBytesPerSecond?: number | undefined;
    }
  | { type: 'ping'; clientTimeUs: number };

/** id comes back as reply_to; 0: no answer is looked for. */
export function encodeRequest(id: number, request: Request): Uint8Array<ArrayBuffer> {
  const w = new Writer();
  w.uint(1, id);
  switch (request.type) {
    case 'hello':
      w.message(2, (m) => {
        m.string(1, request.token);
        m.string(2, request.client);
      });
      break;
    case 'subscribe':
      w.message(3, (m) => writeSubscribe(m, request));
      break;
    case 'unsubscribe':
      w.message(4, (m) => {
        m.packed(1, request.handles);
        for (const pattern of request.patterns ?? []) m.element(2, pattern);
      });
      break;
    case 'setRate':
      w.message(5, (m) => {
        m.packed(1, request.handles);
        if (request.cadenceMs !== undefined) m.present(2, request.cadenceMs);
        if (request.visibility !== undefined) m.uint(3, visibilities[request.visibility]);
        if (request.maxBytesPerSecond !== undefined) m.present(4, request.maxBytesPerSecond);
      });
      break;
    case 'ping':
      w.message(6, (m) => m.int64(1, request.clientTimeUs));
      break;
    case 'refreshToken':
      w.message(7, (m) => m.string(1, request.token));
      break;
  }
  return w.finish();
}

function writeSubscribe(m: Writer, s: Extract<Request, { type: 'subscribe' }>): void {
  for (const symbol of s.symbols) m.element(1, symbol);
  for (const channel of s.channels) m.element(2, channel);
  if (s.cadenceMs !== undefined) m.present(3, s.cadenceMs);
  if (s.history !== undefined) m.present(4, s.history);
  m.uint(5, s.depth ?? 0);
  m.uint(6, s.priceGroup ?? 0);
  m.uint(7, s.barSeconds ?? 0);
  for (const r of s.resume ?? []) {
    m.message(8, (w) => {
      w.string(1, r.symbol);
      w.string(2, r.channel);
      w.uint(3, r.epoch);
      w.uint(4, r.sequence);
    });
  }
  m.uint(9, s.summary === true ? 1 : 0);
}
