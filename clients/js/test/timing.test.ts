/** The pure parts behind waiting, silence and limits. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Latency } from '../src/link/latency.js';
import { Liveness } from '../src/link/liveness.js';
import { Budget, Limits, groupBy, symbolBytes } from '../src/subscriptions/plan.js';
import { retryDelay } from '../src/link/retry.js';
import { encodeRequest } from '../src/wire/request.js';
import { World } from './support/world.js';

describe('the wait before an attempt', () => {
  const backoff = { baseMs: 500, maxMs: 20_000 };
  it('is random below a ceiling that doubles up to its maximum', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.double({ min: 0, max: 0.999, noNaN: true }), (failures, chance) => {
        const wait = retryDelay(failures, backoff, undefined, () => chance);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(Math.min(20_000, 500 * 2 ** failures));
      }),
    );
  });
  it('lies within a window that the server asked for, and is no shorter when attempts fail', () => {
    fc.assert(
      fc.property(
        fc.nat(20),
        fc.nat(10_000),
        fc.nat(10_000),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (failures, minMs, extra, chance) => {
          const wait = retryDelay(failures, backoff, { minMs, maxMs: minMs + extra }, () => chance);
          expect(wait).toBeGreaterThanOrEqual(minMs);
          if (failures === 0) expect(wait).toBeLessThanOrEqual(minMs + extra);
        },
      ),
    );
  });

  // The model that fleets are sized with holds itself against the same list.
  const golden = JSON.parse(readFileSync(new URL('../../../benchmarks/sizing/testdata/retry.json', import.meta.url), 'utf8')) as {
    base_ms: number;
    max_ms: number;
    stable_ms: number;
    patience_ms: number;
    waits: { failures: number; chance: number; window_ms?: [number, number]; wait_ms: number }[];
  };
  it.each(golden.waits)('after $failures failures with chance $chance and window $window_ms is $wait_ms ms', (w) => {
    const window = w.window_ms && { minMs: w.window_ms[0], maxMs: w.window_ms[1] };
    expect(retryDelay(w.failures, { baseMs: golden.base_ms, maxMs: golden.max_ms }, window, () => w.chance)).toBeCloseTo(w.wait_ms);
  });
  it('has the defaults of that list', async () => {
    const w = new World([], { random: () => 0.5 });
    const plain = golden.waits.filter((g) => g.chance === 0.5 && g.window_ms === undefined && g.failures < 100);
    w.client.connect();
    for (const { wait_ms } of plain) {
      await w.clock.advance(golden.patience_ms - 1);
      expect(w.network.live.length).toBe(1); // patient to the last millisecond
      await w.clock.advance(1);
      expect(w.states.at(-1)).toMatchObject({ state: 'reconnecting', retryInMs: wait_ms });
      await w.clock.advance(wait_ms);
    }
    for (const [live, failures] of [[golden.stable_ms - 1, plain.length], [golden.stable_ms, 0]] as const) {
      await w.accept();
      await w.clock.advance(live);
      w.network.last.end();
      const wait = Math.min(golden.max_ms, golden.base_ms * 2 ** failures) / 2;
      expect(w.states.at(-1)!.retryInMs).toBe(wait);
      await w.clock.advance(wait);
    }
  });

  it('takes a window that is upside down as its lower end', () => {
    expect(retryDelay(0, backoff, { minMs: 300, maxMs: 100 }, () => 0.9)).toBe(300);
  });
});

describe('silence', () => {
  it('is never held against a server that was heard within its heartbeat, whatever timers do', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ pass: fc.nat(5000), checks: fc.boolean() }), { maxLength: 100 }), (steps) => {
        let now = 0;
        const liveness = new Liveness(5000, 1000, now);
        for (const { pass, checks } of steps) {
          now += pass;
          liveness.heard(now);
          if (checks) expect(liveness.check(now)).toBe('ok');
        }
      }),
    );
  });
  it('is found out within bounds, whatever timers do', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 12, maxLength: 40 }), (passes) => {
        let now = 0;
        const liveness = new Liveness(5000, 1000, now);
        let checks = 0;
        for (const pass of passes) {
          now += Math.max(2500, pass);
          checks++;
          if (liveness.check(now) === 'lost') break;
        }
        expect(checks).toBeLessThanOrEqual(12);
      }),
    );
  });
});

describe('latency', () => {
  it('believes the quickest of the last eight', () => {
    const latency = new Latency();
    expect(latency.best).toBeUndefined();
    latency.add(0, 10, 105);
    latency.add(100, 400, 950);
    latency.add(500, 490, 0); // a clock was set in between
    expect(latency.best).toEqual({ rttMs: 10, offsetMs: 100 });
    for (let i = 0; i < 8; i++) latency.add(1000, 1050, 1000);
    expect(latency.best).toEqual({ rttMs: 50, offsetMs: -25 });
    latency.forget();
    expect(latency.count).toBe(0);
  });
});

describe('limits', () => {
  const wire = { clientFrameBytes: 4096, serverFrameBytes: 0, subscriptions: 0, symbolsPerRequest: 100, requestsPerSecond: 50 };

  it('cut requests that fit, in order and without loss', () => {
    const symbols = fc.array(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 64 }).filter((s) => s.length <= 64),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(symbols, fc.boolean(), (symbols, resumes) => {
        const limits = new Limits(wire);
        const chunks = limits.chunks(symbols, (s) => symbolBytes(s, resumes));
        expect(chunks.flat()).toEqual(symbols);
        for (const chunk of chunks) {
          const resume = resumes
            ? chunk.map((symbol) => ({ symbol, channel: 'trade', epoch: 2n ** 64n - 1n, sequence: Number.MAX_SAFE_INTEGER }))
            : undefined;
          const bytes = encodeRequest(0xffff_ffff, {
            type: 'subscribe',
            symbols: chunk,
            channels: ['trade'],
            cadenceMs: 0xffff_ffff,
            history: 0xffff_ffff,
            resume,
          });
          expect(bytes.length).toBeLessThanOrEqual(4096);
          expect(chunk.length).toBeLessThanOrEqual(100);
        }
      }),
      { numRuns: 50 },
    );
    const handles = Array.from({ length: 5000 }, (_, i) => 0xffff_ffff - i);
    for (const chunk of new Limits({ ...wire, symbolsPerRequest: 10_000 }).handleChunks(handles)) {
      expect(encodeRequest(0xffff_ffff, { type: 'setRate', handles: chunk, cadenceMs: 0xffff_ffff }).length).toBeLessThanOrEqual(
        4096,
      );
    }
  });

  it('are guessed small where the server names none', () => {
    const limits = new Limits({
      clientFrameBytes: 0,
      serverFrameBytes: 0,
      symbolsPerRequest: 0,
      requestsPerSecond: 0,
    });
    expect(limits).toMatchObject({ symbols: 100, requestsPerSecond: 5 });
  });

  it('let pass so many requests a second', () => {
    const budget = new Budget();
    expect([0, 0, 100, 999].map((now) => budget.take(3, 10_000 + now))).toEqual([0, 0, 0, 1]);
    expect(budget.take(3, 11_000)).toBe(0);
    expect(budget.take(3, 5000)).toBe(0); // the clock was set back
  });

  it('group in order of first sight', () => {
    expect(groupBy([3, 1, 4, 1, 5, 9], (n) => (n % 2 === 0 ? 'even' : 'odd'))).toEqual([[3, 1, 1, 5, 9], [4]]);
  });
});
