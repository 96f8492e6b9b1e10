import { expect, test } from "vitest";
import { readListing } from "../dashboard/directory.ts";

test("a listing is read, whatever else the server tells", () => {
  const answer = { instruments: [{ symbol: "sim:BTC-USD", description: "Bitcoin", priceScale: 2 }, { symbol: "test:FAKE" }], total: 900 };
  expect(readListing(answer)).toEqual({
    instruments: [{ symbol: "sim:BTC-USD", description: "Bitcoin" }, { symbol: "test:FAKE", description: "" }], total: 900,
  });
});

test("entries without a symbol are passed over", () => {
  expect(readListing({ instruments: [null, {}, { symbol: 4 }, { symbol: "a:b" }] })).toEqual({ instruments: [{ symbol: "a:b", description: "" }], total: 1 });
});

test.each([null, 7, {}, { instruments: "none" }])("%j is refused with what would be right", (answer) => {
  expect(() => readListing(answer)).toThrow('want {"instruments":[…]}');
});
