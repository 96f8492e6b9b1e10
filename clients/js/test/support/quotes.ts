/** Rows of quotes as the numbers that a ServerFrame carries, by feed.proto's words; the client's own code is not used. */

/** What a row may hold besides its handle, in the order of its bits. */
const NAMES = ['bid', 'bidSize', 'spread', 'askSize', 'ageMs', 'transitMs', 'has', 'sequence', 'epoch'] as const;
const SIGNED = new Set<string>(['bid', 'bidSize', 'spread', 'askSize', 'transitMs']);

export type QuoteNumbers = { handle: number } & { [K in (typeof NAMES)[number]]?: number | bigint | undefined };

export function quoteNumbers(rows: readonly QuoteNumbers[]): bigint[] {
  return rows.flatMap((row) => {
    let fields = 0n;
    const numbers: bigint[] = [];
    NAMES.forEach((name, bit) => {
      const n = row[name];
      if (n === undefined || (name !== 'has' && BigInt(n) === 0n)) return;
      fields |= 1n << BigInt(bit);
      numbers.push(SIGNED.has(name) ? zigzag(BigInt(n)) : BigInt(n));
    });
    return [BigInt(row.handle), fields, ...numbers];
  });
}

/** Absent numbers are 0, an absent has is -1. */
export function quotesOf(numbers: readonly bigint[]): Array<Record<'handle' | (typeof NAMES)[number], bigint>> {
  const rows = [];
  for (let at = 0; at < numbers.length; ) {
    const row: any = { handle: numbers[at++] };
    const fields = numbers[at++]!;
    NAMES.forEach((name, bit) => {
      if ((fields & (1n << BigInt(bit))) === 0n) row[name] = name === 'has' ? -1n : 0n;
      else row[name] = SIGNED.has(name) ? signed(numbers[at++]!) : numbers[at++]!;
    });
    for (let bit = BigInt(NAMES.length); fields >> bit !== 0n; bit++) if ((fields & (1n << bit)) !== 0n) at++;
    rows.push(row);
  }
  return rows;
}

const zigzag = (n: bigint): bigint => BigInt.asUintN(64, (n << 1n) ^ (n >> 63n));
const signed = (n: bigint): bigint => (n >> 1n) ^ -(n & 1n);
