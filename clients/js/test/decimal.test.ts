import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Instrument, formatDecimal, formatPrice, formatSize } from '../src/index.js';

const instrument = (over: Partial<Instrument>): Instrument => ({
  symbol: 'test:X',
  priceScale: 0,
  sizeScale: 0,
  priceStep: 0,
  sizeStep: 0,
  description: '',
  base: '',
  quote: '',
  source: '',
  assetClass: '',
  sessionStartS: 0,
  timeZone: '',
  delisted: false,
  ...over,
});

describe('formatDecimal', () => {
  it.each([
    [6183763, 2, '61837.63'],
    [0, 2, '0.00'],
    [5, 3, '0.005'],
    [-5, 3, '-0.005'],
    [42, 0, '42'],
    [-0, 1, '0.0'],
    [Number.MAX_SAFE_INTEGER, 8, '90071992.54740991'],
    [1, 18, '0.000000000000000001'],
  ])('writes %d at scale %d as %s', (value, scale, text) => expect(formatDecimal(value, scale)).toBe(text));

  it.each([
    [1.5, 2],
    [2 ** 53, 2],
    [NaN, 0],
    [1, 19],
    [1, -1],
    [1, 0.5],
  ])('refuses %d at scale %d', (value, scale) => {
    expect(() => formatDecimal(value, scale)).toThrow(RangeError);
  });

  it('loses no digit', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.integer({ min: 0, max: 18 }), (value, scale) => {
        const text = formatDecimal(value, scale);
        const [whole, decimals = ''] = text.split('.');
        expect(decimals.length).toBe(scale);
        expect(BigInt(whole! + decimals)).toBe(BigInt(value));
      }),
    );
  });
});

describe('formatPrice and formatSize', () => {
  it.each([
    [6183763, 2, 1, '61837.63'], // each decimal can be filled
    [618376300, 4, 100, '61837.63'], // the last two cannot
    [618370000, 4, 100, '61837.00'],
    [618376301, 4, 100, '61837.6301'], // off the step: digits stay
    [61837, 0, 1, '61837'],
    [618370, 1, 10, '61837'], // whole units
    [618375, 1, 5, '61837.5'],
    [6183763000000, 8, 0, '61837.63'], // step unknown: down to two decimals
    [6183700000000, 8, 0, '61837.00'],
    [6183763450000, 8, 0, '61837.6345'],
    [618370, 1, 0, '61837.0'],
    [-150, 2, 0, '-1.50'],
  ])('writes %d at scale %d and step %d as %s', (value, scale, step, text) => {
    expect(formatPrice(value, instrument({ priceScale: scale, priceStep: step }))).toBe(text);
    expect(formatSize(value, instrument({ sizeScale: scale, sizeStep: step }))).toBe(text);
  });

  it('has a sign for what is not there', () => {
    expect(formatPrice(null, instrument({}))).toBe('–');
    expect(formatSize(null, instrument({}))).toBe('–');
  });
});
