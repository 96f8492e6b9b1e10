/** What the client knows by heart is what the protocol's own text says. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { serverErrorCode } from '../src/errors.js';
import { isTerminal, windowOf } from '../src/link/retry.js';
import { ErrorCodeSchema } from './gen/feed/v1/feed_pb.js';

const protocol = readFileSync(new URL('../../../PROTOCOL.md', import.meta.url), 'utf8');

/** Rows of the table of close codes: code, name, whether and when to come back. */
const closeCodes = [...protocol.matchAll(/^\| (\d{4}) \| ([^|]+) \| ([^|]+) \|/gm)].map(([, code, name, back]) => ({
  code: Number(code),
  name: name!,
  back: back!,
}));

it('finds the table', () => expect(closeCodes.length).toBeGreaterThan(10));

it.each(closeCodes)('after $code, $name, comes back: $back', ({ code, back }) => {
  expect(isTerminal(code)).toBe(back === 'no');
  const wait = /^after ([\d.]+) to ([\d.]+) s$/.exec(back);
  expect(windowOf(code)).toEqual(wait === null ? undefined : { minMs: Number(wait[1]) * 1000, maxMs: Number(wait[2]) * 1000 });
  if (wait === null) expect(['no', 'as usual']).toContain(back);
});

it('names each error code as the schema does', () => {
  for (const value of ErrorCodeSchema.values) {
    expect(serverErrorCode(value.number)).toBe(value.localName.toLowerCase().replaceAll('_', '-'));
  }
  expect(serverErrorCode(999)).toBe('unspecified');
});
