import { describe, expect, it } from 'vitest';
import type { Instrument } from '../src/index.js';
import { ErrorCode } from './gen/feed/v1/feed_pb.js';
import { settle } from './support/clock.js';
import { Desk } from './support/desk.js';
import { World } from './support/world.js';

const PLAIN = { channels: ['quote'], depth: 0, priceGroup: 0n, barSeconds: 0, tradeSummary: false };

function world(matches: Record<string, string[]>) {
  const w = new World();
  const desk = new Desk(w);
  for (const [text, symbols] of Object.entries(matches)) desk.matches.set(text, symbols);
  /** Something new joins a pattern or a list. */
  const join = (symbol: string, by: string, view = PLAIN) =>
    desk.send({ subscribed: { instruments: [desk.instrument(symbol)], results: [desk.result(symbol, view, by)] } });
  const quote = (symbol: string) => desk.send({ quotes: [{ handle: desk.handle(symbol, 'quote'), bid: 5n, has: 1, sequence: 1n }] });
  return { w, desk, join, quote };
}

describe('a pattern or a list', () => {
  it('grows by what joins it', async () => {
    const { w, join, quote } = world({ 'a:*': ['a:X'], '@majors': ['b:Z'] });
    const store = w.client.quotes(['a:*', '@majors'], { cadenceMs: 100 });
    const results: string[] = [];
    store.onResult((symbol, result) => results.push(`${symbol} ${result.ok} ${result.by ?? ''}`));
    await w.accept();
    expect(store.symbols()).toEqual(['a:X', 'b:Z']);
    expect(results.splice(0)).toEqual(['a:X true a:*', 'a:* true ', 'b:Z true @majors', '@majors true ']);
    await join('a:NEW', 'a:*');
    await join('c:LISTED', '@majors');
    await quote('a:NEW');
    expect(results).toEqual(['a:NEW true a:*', 'c:LISTED true @majors']);
    expect([store.symbols(), store.get('a:NEW')?.bid]).toEqual([['a:X', 'b:Z', 'a:NEW', 'c:LISTED'], 5]);
    expect(w.errors).toEqual([]);
  });

  it('that fits nothing yet comes alive with the first that joins', async () => {
    const { w, desk, join } = world({});
    desk.result = (symbol, s) => ({ ...Desk.prototype.result.call(desk, symbol, s), handle: 0, code: ErrorCode.NO_MATCH, text: 'none yet' }) as never;
    const store = w.client.quotes(['a:*']);
    await w.accept();
    expect(store.results.get('a:*')).toMatchObject({ ok: false, code: 'no-match' });
    desk.result = Desk.prototype.result;
    await join('a:NEW', 'a:*');
    expect(store.symbols()).toEqual(['a:NEW']);
    store.close();
    await settle();
    expect(desk.session.asked('unsubscribe')).toMatchObject([{ patterns: ['a:*'] }, { handles: [desk.handle('a:NEW', 'quote')] }]);
  });

  it('is ended by name, and its symbols by handle', async () => {
    const { w, desk } = world({ 'a:*': ['a:X', 'a:Y'] });
    const store = w.client.quotes(['a:*']);
    const kept = w.client.quotes(['a:Y']);
    await w.accept();
    store.close();
    await settle();
    expect(desk.session.asked('unsubscribe').map((u) => [u.handles, u.patterns])).toEqual([
      [[], ['a:*']],
      [[desk.handle('a:X', 'quote')], []],
    ]);
    expect(kept.symbols()).toEqual(['a:Y']);
  });

  it('stays while another channel wants it, and what then joins in vain is let go', async () => {
    const { w, desk, join } = world({ 'a:*': ['a:X'] });
    const quotes = w.client.quotes(['a:*']);
    const stats = w.client.stats(['a:*']);
    await w.accept();
    quotes.close();
    await settle();
    expect(desk.session.asked('unsubscribe').flatMap((u) => u.patterns)).toEqual([]);
    await join('a:NEW', 'a:*');
    await join('a:NEW', 'a:*', { ...PLAIN, channels: ['stats'] });
    expect(stats.symbols()).toEqual(['a:X', 'a:NEW']);
    expect(desk.session.asked('unsubscribe').at(-1)!.handles).toEqual([desk.handle('a:NEW', 'quote')]);
    expect(w.errors).toEqual([]);
  });

  it('keeps views of one channel apart', async () => {
    const { w, join } = world({ 'a:*': ['a:X'] });
    const minutes = w.client.bars(['a:*']);
    const hours = w.client.bars(['a:*'], { seconds: 3600 });
    await w.accept();
    await join('a:NEW', 'a:*', { ...PLAIN, channels: ['bar'], barSeconds: 3600 });
    expect([minutes.symbols(), hours.symbols()]).toEqual([['a:X'], ['a:X', 'a:NEW']]);
  });

  it('is asked again after a reconnect, with what had joined', async () => {
    const { w, desk, join } = world({ 'a:*': ['a:X'] });
    const store = w.client.quotes(['a:*']);
    await w.accept();
    await join('a:NEW', 'a:*');
    w.network.last.end(1006);
    await w.clock.advance(1000);
    desk.matches.set('a:*', ['a:X', 'a:NEW']);
    await w.accept();
    expect(desk.asked.map((s) => s.symbols)).toEqual([['a:*'], ['a:*']]);
    expect(store.symbols()).toEqual(['a:X', 'a:NEW']);
  });

  it('that joins without anyone having asked is a fault of the server', async () => {
    const { w, desk } = world({});
    w.client.quotes(['a:X']);
    await w.accept();
    await desk.send({ subscribed: { results: [{ symbol: 'a:Y', channel: 'quote', handle: 99 }] } });
    expect(w.errors).toMatchObject([{ code: 'protocol' }]);
    expect(desk.session.asked('unsubscribe').at(-1)!.handles).toEqual([99]);
  });
});

it('takes a new definition of an instrument, with all rows that show it', async () => {
  const { w, desk, quote } = world({});
  const store = w.client.quotes(['a:X']);
  const told: Instrument[] = [];
  w.client.on('instrument', (instrument) => told.push(instrument));
  await w.accept();
  await quote('a:X');
  await desk.send({ instruments: [desk.instrument('a:X', { description: 'Ex', delisted: true, assetClass: 'spot', timeZone: 'Asia/Tokyo', sessionStartS: 32400 })] });
  expect(told).toMatchObject([{ symbol: 'a:X', description: 'Ex', delisted: true, assetClass: 'spot', timeZone: 'Asia/Tokyo', sessionStartS: 32400 }]);
  expect(store.get('a:X')!.instrument).toBe(told[0]);
  await desk.send({ instruments: [desk.instrument('a:X', { description: 'Ex', delisted: true, assetClass: 'spot', timeZone: 'Asia/Tokyo', sessionStartS: 32400 })] });
  expect(told).toHaveLength(1); // the same again is no news
});
