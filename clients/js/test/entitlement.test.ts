/** What a client may have changes while it runs. */
import { expect, it } from 'vitest';
import { ErrorCode } from './gen/feed/v1/feed_pb.js';
import { settle } from './support/clock.js';
import { Desk } from './support/desk.js';
import { packed } from './support/market.js';
import { World } from './support/world.js';

async function open() {
  const w = new World();
  const desk = new Desk(w);
  const quotes = w.client.quotes(['a:X', 'a:Y']);
  const book = w.client.book('a:X', { depth: 50 });
  await w.accept();
  await desk.send({
    quotes: ['a:X', 'a:Y'].map((symbol) => ({ handle: desk.handle(symbol, 'quote'), bid: 5n, has: 1, sequence: 1n })),
    books: [{ handle: desk.handle('a:X', 'book'), bids: packed([[100, 5], [99, 5]]), sequence: 1n }],
  });
  expect([quotes.get('a:X')!.bid, book.bids.length]).toEqual([5, 2]);
  return { w, desk, quotes, book };
}
const view = { depth: 0, priceGroup: 0n, barSeconds: 0, tradeSummary: false };

it('ends a subscription that may be had no more, says why, and believes its rows no longer', async () => {
  const { w, desk, quotes } = await open();
  const told: unknown[] = [];
  quotes.onResult((symbol, result) => told.push([symbol, result]));
  const handle = desk.handle('a:X', 'quote');
  await desk.send({ subscribed: { results: [{ symbol: 'a:X', channel: 'quote', code: ErrorCode.NOT_ENTITLED, text: 'not in the plan', replaces: handle }] } });
  expect(told).toEqual([['a:X', { ok: false, code: 'not-entitled', text: 'not in the plan' }]]);
  expect([quotes.get('a:X')!.bid, quotes.get('a:X')!.quality, quotes.get('a:Y')!.quality]).toEqual([5, 'suspect', 'unknown']);
  // Rows that were under way are no fault, and the other goes on.
  await desk.send({ quotes: [{ handle, bid: 1n }, { handle: desk.handle('a:Y', 'quote'), bid: 1n }] });
  expect([quotes.get('a:X')!.bid, quotes.get('a:Y')!.bid, w.errors]).toEqual([5, 6, []]);
  // It is asked for again on the next connection, and when somebody asks anew.
  const asked = desk.asked.length;
  w.client.quotes(['a:X']);
  await settle();
  expect(desk.asked.slice(asked).map((s) => s.symbols)).toEqual([['a:X']]);
});

it('goes on in the view that may still be had', async () => {
  const { w, desk, book } = await open();
  const before = desk.handle('a:X', 'book');
  const after = desk.result('a:X', { channels: ['book'], ...view, depth: 10 }).handle;
  await desk.send({
    subscribed: { results: [{ symbol: 'a:X', channel: 'book', handle: after, ...view, depth: 10, replaces: before }] },
    grants: [{ handles: [after], cadenceMs: 250, depth: 10 }],
  });
  expect([book.complete, book.grant!.depth]).toEqual([false, 10]);
  await desk.send({ books: [{ handle: before, bids: packed([[1, 1]]) }, { handle: after, bids: packed([[100, 7]]), sequence: 2n }] });
  expect([book.complete, book.bids.size(0), book.bids.length]).toEqual([true, 7, 1]);
  expect(w.errors).toEqual([]);
  book.close();
  await settle();
  expect(desk.session.asked('unsubscribe').flatMap((u) => u.handles)).toEqual([after]);
});

it('joins the two where the lesser view was wished for as well', async () => {
  const { w, desk, book } = await open();
  const lesser = w.client.book('a:X', { depth: 10 });
  await settle();
  const after = desk.result('a:X', { channels: ['book'], ...view, depth: 10 }).handle;
  await desk.send({
    subscribed: { results: [{ symbol: 'a:X', channel: 'book', handle: after, ...view, depth: 10, replaces: desk.handle('a:X', 'book') }] },
  });
  await desk.send({ books: [{ handle: after, bids: packed([[100, 7]]), sequence: 2n }] });
  expect([book, lesser].map((b) => [b.complete, b.bids.size(0)])).toEqual([[true, 7], [true, 7]]);
  expect(w.errors).toEqual([]);
});

it('is of no interest to a store that was closed in the meantime', async () => {
  const { w, desk, quotes } = await open();
  const handle = desk.handle('a:X', 'quote');
  quotes.close();
  await desk.send({ subscribed: { results: [{ symbol: 'a:X', channel: 'quote', code: ErrorCode.NOT_ENTITLED, replaces: handle }] } });
  expect(w.errors).toEqual([]);
});

it('keeps within limits that are other ones from now on', async () => {
  const { w, desk } = await open();
  await desk.send({ limits: { ...w.server.limits, serverFrameBytes: 300, symbolsPerRequest: 1, requestsPerSecond: 50 } });
  const asked = desk.asked.length;
  w.client.quotes(['b:1', 'b:2', 'b:3']);
  await settle();
  expect(desk.asked.slice(asked).map((s) => s.symbols)).toEqual([['b:1'], ['b:2'], ['b:3']]);
  await desk.send({ error: { text: 'x'.repeat(400) } });
  expect(w.errors.at(-1)).toMatchObject({ code: 'protocol', text: expect.stringContaining('at most 300') });
  expect(w.client.state).toBe('reconnecting');
});
