import { describe, expect, it, vi } from 'vitest';
import { type ChartQuote, createDatafeed } from '../src/tradingview/index.js';
import { settle } from './support/clock.js';
import { Desk } from './support/desk.js';
import { World } from './support/world.js';

describe('quotes that charts ask for once', () => {
  async function open(symbols: string[]) {
    const w = new World();
    const desk = new Desk(w);
    const feed = createDatafeed(w.client, { baseUrl: 'http://feed' });
    const answers: ChartQuote[][] = [];
    feed.getQuotes(symbols, (quotes) => answers.push(quotes), expect.unreachable);
    await w.accept();
    return { desk, feed, answers };
  }
  const quote = (desk: Desk, symbol: string) =>
    desk.send({ quotes: [{ handle: desk.handle(symbol, 'quote'), bid: 100n, spread: 2n, has: 0b11, sequence: 1n }] });
  const stats = (desk: Desk, symbol: string) => desk.send({ stats: [{ handle: desk.handle(symbol, 'stats'), full: true, last: 101n }] });

  it('wait for the values, which come behind the grant', async () => {
    const { desk, answers } = await open(['a:X', 'a:Y']);
    await quote(desk, 'a:X');
    await stats(desk, 'a:X');
    await quote(desk, 'a:Y');
    expect(answers).toEqual([]);
    await stats(desk, 'a:Y');
    expect(answers).toMatchObject([[{ n: 'a:X', s: 'ok', v: { bid: 1, ask: 1.02, lp: 1.01 } }, { n: 'a:Y', s: 'ok' }]]);
    await quote(desk, 'a:X');
    expect(answers).toHaveLength(1);
  });

  it('are given without values where the feed is silent, and never behind close()', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const silent = await open(['a:X']);
      expect(silent.answers).toEqual([]);
      vi.advanceTimersByTime(2000);
      expect(silent.answers).toMatchObject([[{ n: 'a:X', s: 'ok', v: { short_name: 'X' } }]]);
      expect(silent.answers[0]![0]!.v.bid).toBeUndefined();

      const closed = await open(['a:X']);
      closed.feed.close();
      vi.advanceTimersByTime(2000);
      await settle();
      expect(closed.answers).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });
});
