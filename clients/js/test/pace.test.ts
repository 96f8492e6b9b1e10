import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PaceEvent } from '../src/index.js';
import { Pace, SAMPLE_MS } from '../src/link/pace.js';
import { settle } from './support/clock.js';
import { World } from './support/world.js';

/** Takes so many samples that are so late. */
function feed(pace: Pace, lateMs: number, count: number, from = 0): number {
  let changes = 0;
  for (let i = 0; i < count; i++) if (pace.sample(lateMs, from + i * SAMPLE_MS)) changes++;
  return changes;
}

describe('the pace', () => {
  it('slows down when the thread is late most of the time, and not for one hiccup', () => {
    const pace = new Pace();
    feed(pace, 10, 50);
    feed(pace, 900, 2);
    feed(pace, 10, 50);
    expect(pace.steps).toBe(0);
    feed(pace, 200, 3);
    expect(pace.steps).toBe(1);
    feed(pace, 200, 60);
    expect(pace.steps).toBe(4); // and no further
  });

  it('speeds up after 10 s of leisure, one step at a time', () => {
    const pace = new Pace();
    feed(pace, 200, 6);
    expect(pace.steps).toBe(2);
    feed(pace, 0, 19);
    expect(pace.steps).toBe(2);
    feed(pace, 0, 1);
    expect(pace.steps).toBe(1);
    feed(pace, 0, 20);
    expect(pace.steps).toBe(0);
  });

  it('stays slow between the two: neither busy nor at leisure', () => {
    const pace = new Pace();
    feed(pace, 200, 3);
    feed(pace, 100, 1000);
    expect(pace.steps).toBe(1);
  });

  it('waits longer each time that it sped up too early', () => {
    const pace = new Pace();
    let at = 0;
    const changes: number[] = [];
    // A thread that can bear the slower pace and not the faster one.
    for (let i = 0; i < 4000; i++, at += SAMPLE_MS) if (pace.sample(pace.steps === 0 ? 300 : 0, at)) changes.push(at);
    const gaps = changes.map((t, i) => t - (changes[i - 1] ?? 0));
    const slow = gaps.filter((_, i) => i % 2 === 1);
    expect(slow.slice(0, 4)).toEqual([10_000, 20_000, 40_000, 80_000]);
    expect(changes.length).toBeLessThan(40);
  });

  it('takes a machine that slept for no slow one', () => {
    const pace = new Pace();
    feed(pace, 3_600_000, 10);
    expect(pace.steps).toBe(0);
  });

  it('never leaves its bounds, and ends at no steps when the thread is idle for long', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 400 }), fc.nat(100_000)), { maxLength: 500 }), (lates) => {
        const pace = new Pace();
        lates.forEach((late, i) => {
          pace.sample(late, i * SAMPLE_MS);
          expect(pace.steps).toBeGreaterThanOrEqual(0);
          expect(pace.steps).toBeLessThanOrEqual(4);
        });
        feed(pace, 0, 4 * 320, lates.length * SAMPLE_MS);
        expect(pace.steps).toBe(0);
      }),
    );
  });
});

describe('a client whose thread does not keep up', () => {
  /** The thread is busy for so long, again and again: timers come late. */
  async function busy(w: World, lateMs: number, times: number): Promise<void> {
    for (let i = 0; i < times; i++) await w.clock.sleep(SAMPLE_MS + lateMs);
  }

  async function paced(options = {}) {
    const w = new World(['a:X', 'a:Y'], options);
    const quotes = w.client.quotes(['a:X'], { cadenceMs: 100 });
    const dflt = w.client.quotes(['a:Y']);
    const session = await w.accept();
    const told: PaceEvent[] = [];
    w.client.on('pace', (e) => told.push(e));
    const cadences = () => [...session.subscriptions.values()].map((s) => s.cadenceMs);
    return { w, session, told, quotes, dflt, cadences };
  }

  it('asks for less, says so, and asks for what was wished when it can', async () => {
    const { w, told, cadences } = await paced();
    await busy(w, 200, 3);
    expect(told).toEqual([{ steps: 1, lateMs: 200 }]);
    await settle();
    expect(cadences()).toEqual([250, 1000]); // the ladder here: 0, 100, 250, 1000
    await w.clock.advance(11_000);
    expect(told.map((e) => e.steps)).toEqual([1, 0]);
    expect(cadences()).toEqual([100, 250]);
  });

  it('keeps to it on the next connection, and with what is wished anew', async () => {
    const { w, quotes } = await paced();
    await busy(w, 200, 3);
    quotes.setRate(250);
    await settle();
    w.acceptAll();
    w.network.last.end();
    await w.clock.advance(1000);
    expect([...w.server.last.subscriptions.values()].map((s) => s.cadenceMs)).toEqual([1000, 1000]);
  });

  it('does not where it is told not to, nor in a hidden page, whose timers are late by rule', async () => {
    const off = await paced({ adaptive: false });
    await busy(off.w, 200, 6);
    expect([off.told, off.cadences()]).toEqual([[], [100, 250]]);
    const hidden = await paced();
    hidden.w.environment.hide(true);
    await busy(hidden.w, 500, 6);
    expect(hidden.told).toEqual([]);
  });
});
