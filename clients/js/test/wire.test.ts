import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FeedError } from '../src/index.js';
import { decodeFrame, decodeTicks } from './support/decode.js';
import { Reader } from '../src/wire/reader.js';
import { narrow } from '../src/wire/ticks.js';
import { type Request, encodeRequest } from '../src/wire/request.js';
import { ClientFrameSchema, ServerFrameSchema } from './gen/feed/v1/feed_pb.js';
import { serverFrame } from './support/frames.js';
import { quoteNumbers, quotesOf } from './support/quotes.js';

/** A message of the official schemas in the form of ours: absent stays absent, bigint becomes number where it fits. */
function plain(value: unknown, ours: unknown): unknown {
  if (typeof value === 'bigint') return narrow(value);
  if (Array.isArray(value)) return value.map((v, i) => plain(v, (ours as unknown[])[i]));
  if (value === null || typeof value !== 'object') return value;
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(ours as object))
    out[key] = plain((value as Record<string, unknown>)[key], (ours as Record<string, unknown>)[key]);
  return out;
}

/** What the official reader makes of bytes, as far as our frame has fields for it. */
function official(bytes: Uint8Array): unknown {
  const theirs = fromBinary(ServerFrameSchema, bytes) as any;
  theirs.quotes = quotesOf(theirs.quotes).map((q) => ({ ...q, unsafe: false }));
  theirs.trades = theirs.trades.map((t: any) => ({ ...t, unsafe: false }));
  theirs.books = theirs.books.map((b: any) => ({ ...b, checksum: b.checksum ?? -1, unsafe: false }));
  theirs.bars = theirs.bars.map((b: any) => ({ ...b, unsafe: false }));
  theirs.stats = theirs.stats.map((s: any) => ({ ...s, has: s.has ?? -1, unsafe: false }));
  theirs.losses = theirs.losses.map((l: any) => ({ ...l, recovered: false }));
  theirs.summaries = theirs.tradeSummaries.map((t: any) => ({ ...t, unsafe: false }));
  return plain(theirs, decodeFrame(bytes));
}

const asData = (frame: unknown) => JSON.parse(JSON.stringify(frame, (_, v) => (typeof v === 'bigint' ? `${v}n` : v)));

describe('reading', () => {
  it('agrees with the official reader on every frame', () => {
    fc.assert(
      fc.property(serverFrame, (frame) => {
        const bytes = toBinary(ServerFrameSchema, frame);
        expect(asData(decodeFrame(bytes))).toEqual(asData(official(bytes)));
      }),
      { numRuns: 400 },
    );
  });

  it('agrees on every truncation whether it is a frame', () => {
    fc.assert(
      fc.property(serverFrame, (frame) => {
        const bytes = toBinary(ServerFrameSchema, frame);
        for (let length = 0; length < bytes.length; length++) {
          const part = bytes.subarray(0, length);
          let theirs = true;
          try {
            fromBinary(ServerFrameSchema, part);
          } catch {
            theirs = false;
          }
          let ours = true;
          try {
            decodeFrame(part);
          } catch (e) {
            expect(e).toBeInstanceOf(FeedError);
            ours = false;
          }
          expect(ours).toBe(theirs);
        }
      }),
      { numRuns: 12 },
    );
  });

  it('throws nothing but FeedError whatever comes, and always ends', () => {
    const mutated = fc.tuple(serverFrame, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 })).map(([frame, changes]) => {
      const bytes = toBinary(ServerFrameSchema, frame);
      for (const [at, to] of changes) if (bytes.length > 0) bytes[at % bytes.length] = to;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 64 })), (bytes) => {
        try {
          decodeFrame(bytes);
        } catch (e) {
          expect(e).toBeInstanceOf(FeedError);
          expect(['decode', 'unsafe-integer']).toContain((e as FeedError).code);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('passes over fields of newer servers, groups included', () => {
    const w = new BinaryWriter();
    w.tag(200, WireType.Varint).uint64(2n ** 64n - 1n);
    w.tag(201, WireType.Bit64).fixed64(7n);
    w.tag(202, WireType.LengthDelimited).string('later');
    w.tag(203, WireType.Bit32).fixed32(7);
    w.tag(204, WireType.StartGroup)
      .tag(1, WireType.Varint)
      .uint32(5)
      .tag(2, WireType.StartGroup)
      .tag(2, WireType.EndGroup)
      .tag(204, WireType.EndGroup);
    w.tag(7, WireType.Varint).uint32(9); // a known field as another type is another field
    w.tag(8, WireType.Varint).uint32(3);
    const frame = decodeFrame(w.finish());
    expect(frame).toEqual({ ...decodeFrame(new Uint8Array()), conflated: 3 });
  });

  it('takes lists of numbers packed and one by one', () => {
    const w = new BinaryWriter();
    const grant = new BinaryWriter()
      .tag(1, WireType.Varint)
      .uint32(1)
      .tag(1, WireType.LengthDelimited)
      .bytes(new Uint8Array([2, 3]))
      .tag(1, WireType.Varint)
      .uint32(4);
    w.tag(20, WireType.LengthDelimited).bytes(grant.finish());
    expect(decodeFrame(w.finish()).grants[0]!.handles).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ['field number 0', [0x00]],
    ['a tag beyond 32 bits', [0x8a, 0x80, 0x80, 0x80, 0x10, 0x00]],
    ['a number of more than ten bytes', [0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['a row longer than the frame', [0x0a, 0x05, 0x08, 0x01]],
    ['a number that runs out of its row', [0x0a, 0x02, 0x08, 0x81, 0x01]],
    ['an end of no group', [0x0c]],
    ['the end of another group', [0xe3, 0x0c, 0xec, 0x0c]],
    ['a group without an end', [0xe3, 0x0c]],
    ['groups nested without end', Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 0xe3 : 0x0c))],
    ['wire type 6', [0x0e]],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeFrame(new Uint8Array(bytes))).toThrow(expect.objectContaining({ name: 'FeedError', code: 'decode' }));
  });

  it('marks the row that holds a number beyond 2^53, and reads the others', () => {
    const frame = create(ServerFrameSchema, {
      quotes: quoteNumbers([
        { handle: 1, bid: 5n },
        { handle: 2, bid: 2n ** 53n, spread: 3, has: 7, sequence: 4 },
        { handle: 3, bidSize: -(2n ** 60n) },
        { handle: 4, spread: 6n },
      ]),
      trades: [
        { handle: 5, size: 2n ** 53n },
        { handle: 6, size: 7n, id: 2n ** 62n, epoch: 2n ** 63n },
      ],
    });
    const read = decodeFrame(toBinary(ServerFrameSchema, frame));
    expect(read.quotes!.map((q) => [q.handle, q.unsafe])).toEqual([
      [1, false],
      [2, true],
      [3, true],
      [4, false],
    ]);
    expect(read.quotes![3]!.spread).toBe(6);
    expect(read.trades!.map((t) => [t.handle, t.unsafe])).toEqual([
      [5, true],
      [6, false],
    ]);
    expect(read.trades![1]).toMatchObject({ size: 7, id: 2n ** 62n, epoch: 2n ** 63n });
  });

  it('passes over numbers of quotes that newer servers send', () => {
    const first = [1n, (1n << 31n) | (1n << 9n) | 1n, 10n, 77n, 2n ** 60n];
    const { quotes } = decodeFrame(toBinary(ServerFrameSchema, create(ServerFrameSchema, { quotes: [...first, ...quoteNumbers([{ handle: 2, bid: 7 }])] })));
    expect(quotes!.map((q) => [q.handle, q.bid, q.unsafe])).toEqual([[1, 5, false], [2, 7, false]]);
  });

  it.each([[[1n]], [[1n, 3n, 4n]], [[1n, 1n << 9n]]])('refuses quotes that end within a row: %s', (quotes) => {
    const bytes = toBinary(ServerFrameSchema, create(ServerFrameSchema, { quotes }));
    expect(() => decodeFrame(bytes)).toThrow(expect.objectContaining({ code: 'decode' }));
  });

  it('marks a book whose list holds one, and reads on behind the row', () => {
    const frame = create(ServerFrameSchema, {
      books: [
        { handle: 1, bids: [1n, 2n ** 53n, 3n], asks: [4n, 5n], sequence: 9n },
        { handle: 2, bids: [7n, 8n], checksum: 0xffff_ffff },
      ],
      bars: [{ handle: 3, high: -(2n ** 60n) }, { handle: 4, startS: 60n }],
    });
    const read = decodeFrame(toBinary(ServerFrameSchema, frame));
    expect(read.books!.map((b) => [b.handle, b.unsafe])).toEqual([
      [1, true],
      [2, false],
    ]);
    expect(read.books![1]).toMatchObject({ bids: [7, 8], asks: [], checksum: 0xffff_ffff });
    expect(read.bars!.map((b) => [b.handle, b.unsafe])).toEqual([
      [3, true],
      [4, false],
    ]);
  });

  it('passes over rows that it was not made for', () => {
    const frame = create(ServerFrameSchema, { books: [{ handle: 1, bids: [1n] }], quotes: quoteNumbers([{ handle: 2 }]) });
    const read = decodeTicks(toBinary(ServerFrameSchema, frame));
    expect(read.books).toBeUndefined();
    expect(read.quotes).toHaveLength(1);
  });

  it('refuses such a number outside of rows', () => {
    const frame = create(ServerFrameSchema, { pong: { clientTimeUs: 2n ** 53n } });
    expect(() => decodeFrame(toBinary(ServerFrameSchema, frame))).toThrow(expect.objectContaining({ code: 'unsafe-integer' }));
  });

  it('holds exactly the numbers of 53 bits', () => {
    const value = (write: (w: BinaryWriter) => BinaryWriter) => new Reader(write(new BinaryWriter()).finish());
    const MAX = Number.MAX_SAFE_INTEGER;
    expect(value((w) => w.uint64(BigInt(MAX))).uint64()).toBe(MAX);
    expect(value((w) => w.sint64(BigInt(-MAX))).sint64()).toBe(-MAX);
    expect(value((w) => w.int64(BigInt(-MAX))).int64()).toBe(-MAX);
    for (const n of [2n ** 53n, 2n ** 63n - 1n, -(2n ** 53n), -(2n ** 63n)]) {
      expect(() => value((w) => w.sint64(n)).sint64()).toThrow(FeedError);
      expect(() => value((w) => w.int64(n)).int64()).toThrow(FeedError);
    }
    expect(() => value((w) => w.uint64(2n ** 64n - 1n)).uint64()).toThrow(FeedError);
    expect(() => value((w) => w.fixed64(2n ** 53n)).fixed64()).toThrow(FeedError);
  });
});

describe('writing', () => {
  const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
  const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });
  const text = fc.string({ unit: 'grapheme', maxLength: 300 });
  const safe = fc.maxSafeNat();
  const epoch = fc.oneof(safe, fc.bigInt(2n ** 53n, 2n ** 64n - 1n));
  const request: fc.Arbitrary<Request> = fc.oneof(
    fc.record({ type: fc.constant('hello' as const), token: text, client: text }),
    fc.record({ type: fc.constant('refreshToken' as const), token: text }),
    fc.record({
      type: fc.constant('subscribe' as const),
      symbols: fc.array(text),
      channels: fc.array(text, { maxLength: 3 }),
      cadenceMs: maybe(uint32),
      history: maybe(uint32),
      depth: maybe(fc.nat(100)),
      priceGroup: maybe(safe),
      barSeconds: maybe(uint32),
      summary: maybe(fc.boolean()),
      resume: maybe(fc.array(fc.record({ symbol: text, channel: text, epoch, sequence: safe }))),
    }),
    fc.record({ type: fc.constant('unsubscribe' as const), handles: fc.array(uint32), patterns: maybe(fc.array(text, { maxLength: 3 })) }),
    fc.record({
      type: fc.constant('setRate' as const),
      handles: fc.array(uint32),
      cadenceMs: maybe(uint32),
      visibility: maybe(fc.constantFrom('shown' as const, 'hidden' as const, 'paused' as const)),
      maxBytesPerSecond: maybe(uint32),
    }),
    fc.record({ type: fc.constant('ping' as const), clientTimeUs: fc.maxSafeInteger() }),
  );
  const visibility = { shown: 1, hidden: 2, paused: 3 };

  /** The request as the official schemas have it. */
  function official(id: number, r: Request) {
    const cases = {
      hello: (h: any) => ({ case: 'hello', value: { token: h.token, client: h.client } }),
      refreshToken: (t: any) => ({ case: 'refreshToken', value: { token: t.token } }),
      subscribe: (s: any) => ({
        case: 'subscribe',
        value: {
          ...s,
          depth: s.depth ?? 0,
          priceGroup: BigInt(s.priceGroup ?? 0),
          barSeconds: s.barSeconds ?? 0,
          tradeSummary: s.summary ?? false,
          resume: (s.resume ?? []).map((x: any) => ({ ...x, epoch: BigInt(x.epoch), sequence: BigInt(x.sequence) })),
        },
      }),
      unsubscribe: (u: any) => ({ case: 'unsubscribe', value: { handles: u.handles, patterns: u.patterns ?? [] } }),
      setRate: (s: any) => ({
        case: 'setRate',
        value: { ...s, visibility: s.visibility === undefined ? 0 : visibility[s.visibility as keyof typeof visibility] },
      }),
      ping: (p: any) => ({ case: 'ping', value: { clientTimeUs: BigInt(p.clientTimeUs) } }),
    };
    return create(ClientFrameSchema, { id, request: cases[r.type](r) as any });
  }

  it('makes the very bytes of the official writer', () => {
    fc.assert(
      fc.property(uint32, request, (id, r) => {
        expect(encodeRequest(id, r)).toEqual(toBinary(ClientFrameSchema, official(id, r)));
      }),
      { numRuns: 500 },
    );
  });

  it.each([-1, 1.5, NaN, 2 ** 53])('refuses the number %d', (n) => {
    expect(() => encodeRequest(1, { type: 'unsubscribe', handles: [n] })).toThrow(
      expect.objectContaining({ code: 'unsafe-integer' }),
    );
  });
});
