/** Frames as the server's own code writes them, and what a client is to make of them: internal/wire/golden_test.go. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { BookSide } from '../src/index.js';
import { narrow } from '../src/wire/ticks.js';
import { settle } from './support/clock.js';
import { Desk } from './support/desk.js';
import { World } from './support/world.js';

/** Handles of the golden frames, by channel. */
const handles = { quote: 1, trade: 2, book: 3, bar: 4, stats: 5, summary: 6 } as const;

const frames = readFileSync(new URL('../../../internal/wire/testdata/golden.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

async function open() {
  const w = new World();
  const desk = new Desk(w);
  desk.result = function (symbol, s, by) {
    const channel = s.tradeSummary ? 'summary' : (s.channels[0] as keyof typeof handles);
    return { ...Desk.prototype.result.call(this, symbol, s, by), handle: handles[channel] };
  };
  const { client } = w;
  const stores = {
    quotes: client.quotes(['a:X']),
    trades: client.trades(['a:X'], { buffer: 10_000 }),
    book: client.book('a:X'),
    bars: client.bars(['a:X'], { buffer: 10_000 }),
    stats: client.stats(['a:X']),
    summaries: client.tradeSummaries(['a:X']),
  };
  await w.accept();
  return { w, ...stores };
}

const levels = (side: BookSide) => Array.from({ length: side.length }, (_, i) => ({ Price: side.price(i), Size: side.size(i) }));
/** A time that is given, or else that of the arrival. */
const since = (t: { ExchangeTime: number; IngestTime: number }) => t.ExchangeTime || t.IngestTime;
const window = (t: any, turnover: string, vwap: number, last: number) => ({
  open: t.Open, high: t.High, low: t.Low, change: last - t.Open, volume: t.Volume, turnover, vwap, trades: t.Trades,
});

it('finds the frames', () => expect(frames.length).toBeGreaterThan(50));

it('holds after each frame what the server holds', async () => {
  const { w, quotes, trades, book, bars, stats, summaries } = await open();
  let seen = 0;
  for (const [n, { frame, holds }] of frames.entries()) {
    w.server.last.socket.deliver(Uint8Array.from(Buffer.from(frame, 'base64')));
    const at = `after frame ${n}`;
    const { quote: q, bar: b, stats: s, summary: t } = holds;
    if (q !== undefined)
      expect(quotes.get('a:X'), at).toMatchObject({
        bid: q.Has & 1 ? q.Bid : null, bidSize: q.Has & 1 ? q.BidSize : null, ask: q.Has & 2 ? q.Ask : null, askSize: q.Has & 2 ? q.AskSize : null,
        exchangeTimeUs: q.Has & 4 ? q.ExchangeTime : null, ingestTimeUs: q.IngestTime,
      });
    const came = holds.trades ?? [];
    const rows = trades.get('a:X').slice(-came.length || Infinity);
    for (const [i, want] of came.entries())
      expect(rows[i], at).toMatchObject({
        price: want.Price, size: want.Size, exchangeTimeUs: want.ExchangeTime || null, ingestTimeUs: want.IngestTime, epoch: BigInt(want.Epoch),
        sequence: want.Sequence, aggressor: ['unknown', 'buy', 'sell'][want.Aggressor], kind: ['trade', 'correction', 'cancellation'][want.Kind],
        refersTo: want.RefersTo || null, id: want.ID === '0' ? null : typeof narrow(BigInt(want.ID)) === 'number' ? Number(want.ID) : want.ID,
      });
    seen += came.length;
    if (holds.book !== undefined) expect({ Bids: levels(book.bids), Asks: levels(book.asks) }, at).toEqual(holds.book);
    if (b !== undefined)
      expect(bars.get('a:X').at(-1), at).toMatchObject({
        startS: b.Start, open: b.Open, high: b.High, low: b.Low, close: b.Close, volume: b.Volume, trades: b.Trades, vwap: b.VWAP, closed: b.Closed,
        exchangeTimeUs: since(b), ingestTimeUs: b.IngestTime,
      });
    if (s !== undefined) {
      const stated = (bit: number, value: number) => ((s.Venue.Has >> bit) & 1 ? value : null);
      expect(stats.get('a:X'), at).toMatchObject({
        last: s.Last, sessionStartS: s.SessionStart, exchangeTimeUs: since(s), ingestTimeUs: s.IngestTime,
        day: window(s.Day, s.DayTurnover, s.DayVWAP, s.Last), session: window(s.Session, s.SessionTurnover, s.SessionVWAP, s.Last),
        previousClose: stated(0, s.Venue.PreviousClose), settlement: stated(1, s.Venue.Settlement), mark: stated(2, s.Venue.Mark),
        index: stated(3, s.Venue.Index), openInterest: stated(4, s.Venue.OpenInterest), fundingRateE8: stated(5, s.Venue.FundingRateE8),
      });
    }
    if (t !== undefined)
      expect(summaries.get('a:X'), at).toMatchObject({
        last: t.Last, high: t.High, low: t.Low, volume: t.Volume, trades: t.Trades, epoch: t.Position.Epoch, sequence: t.Position.Sequence,
        exchangeTimeUs: since(t), ingestTimeUs: t.IngestTime,
      });
  }
  await settle();
  expect(trades.get('a:X').length).toBe(seen);
  expect(book.checksums.right).toBeGreaterThan(10);
  expect([book.checksums.wrong, w.errors, w.client.state]).toEqual([0, [], 'live']);
});
