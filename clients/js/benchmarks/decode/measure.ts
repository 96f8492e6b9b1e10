/** Frames to read, and how long that takes. */
import { create, toBinary } from '@bufbuild/protobuf';
import { ServerFrameSchema } from '../../test/gen/feed/v1/feed_pb.js';
import { type QuoteNumbers, quoteNumbers } from '../../test/support/quotes.js';

/** A frame in both forms. */
export interface Frame {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Reads a frame and returns a number that depends on all its rows, so that nothing is left out. */
export type Read = (frame: Frame) => number;

const ROWS = 50;
const MIN_MS = 400;

/** Small numbers that are the same each time. */
function* chance(seed: number): Generator<number> {
  for (;;) yield (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 1);
}

function frame(quotes: QuoteNumbers[]): Frame {
  const official = create(ServerFrameSchema, { cutTimeUs: 1_767_225_600_250_000n, conflated: 123, quotes: quoteNumbers(quotes) });
  return { bytes: toBinary(ServerFrameSchema, official), text: JSON.stringify({ cutTimeUs: 1_767_225_600_250_000, conflated: 123, quotes }) };
}

const random = chance(7);
const upTo = (n: number) => (random.next().value as number) % n;
/** Prices near 61,837.63 and their like, at scale 2. */
const whole = () => frame(Array.from({ length: ROWS }, (_, i) => {
  const bid = 6_000_000 + upTo(400_000);
  return { handle: i + 1, bid, bidSize: upTo(500_000), spread: 1 + upTo(3), askSize: upTo(500_000), ageMs: upTo(250), transitMs: upTo(40), has: 7, sequence: 1_000_000 + upTo(100_000), epoch: 1_767_225_600_123_456 };
}));
/** On the recordings 1.8 to 2.1 fields change in an update, beside its age. */
const differences = () => frame(Array.from({ length: ROWS }, (_, i) => ({
  handle: i + 1, ...(i % 2 === 0 ? { bid: upTo(200) - 100, bidSize: upTo(100_000) - 50_000 } : { spread: upTo(200) - 100, askSize: upTo(100_000) - 50_000 }),
  ageMs: upTo(250), ...(i % 3 === 0 && { transitMs: upTo(20) - 10 }),
})));

export interface Figures {
  bytes: number;
  nsPerRow: number;
}

/** What a frame comes to is the same for all who read it. */
export const value = (q: { handle: number; bid?: number; bidSize?: number; spread?: number; askSize?: number; ageMs: number }): number =>
  q.handle + (q.bid ?? 0) + (q.bidSize ?? 0) + (q.spread ?? 0) + (q.askSize ?? 0) + q.ageMs;

/** The same of quotes as numbers, read by a loop such as anybody would write. */
export function valueOfNumbers(numbers: readonly number[]): number {
  let sum = 0;
  for (let at = 0; at < numbers.length; ) {
    sum += numbers[at++]!;
    const fields = numbers[at++]!;
    for (let bit = 0; fields >>> bit !== 0; bit++) {
      if ((fields & (1 << bit)) === 0) continue;
      const n = numbers[at++]!;
      if (bit < 4) sum += n % 2 === 0 ? n / 2 : -(n + 1) / 2;
      else if (bit === 4) sum += n;
    }
  }
  return sum;
}

export function measure(read: Read): { whole: Figures; differences: Figures } {
  const result = {} as { whole: Figures; differences: Figures };
  for (const [name, frames] of [['whole', Array.from({ length: 16 }, whole)], ['differences', Array.from({ length: 16 }, differences)]] as const) {
    for (const f of frames) {
      const want = (JSON.parse(f.text).quotes as Parameters<typeof value>[0][]).reduce((sum, q) => sum + value(q), 0);
      if (read(f) !== want) throw new Error(`read ${read(f)}, want ${want}`);
    }
    let sum = 0;
    const run = (ms: number) => {
      let reads = 0;
      const from = performance.now();
      let now = from;
      do {
        for (const f of frames) sum += read(f);
        reads += frames.length;
        now = performance.now();
      } while (now - from < ms);
      return ((now - from) * 1e6) / (reads * ROWS);
    };
    run(MIN_MS); // until the engine has made up its mind
    const nsPerRow = Math.min(run(MIN_MS), run(MIN_MS), run(MIN_MS));
    if (!Number.isFinite(sum)) throw new Error('nothing was read');
    const json = read.length === 1 && (read as { json?: boolean }).json === true;
    result[name] = { bytes: json ? frames[0]!.text.length : frames[0]!.bytes.length, nsPerRow };
  }
  return result;
}
