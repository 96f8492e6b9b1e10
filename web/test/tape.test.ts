import type { Instrument, TradeRow } from "@feedd/client";
import { expect, test } from "vitest";
import { tapeLine } from "../dashboard/tape.ts";

const instrument: Instrument = {
  symbol: "sim:BTC-USD", priceScale: 2, sizeScale: 5, priceStep: 1, sizeStep: 1, description: "", base: "BTC", quote: "USD", source: "sim", assetClass: "", sessionStartS: 0, timeZone: "", delisted: false,
};

const at = new Date(2026, 10, 23, 12, 0, 0, 7).getTime() * 1000;

const trade: TradeRow = {
  symbol: "sim:BTC-USD", instrument, price: 6183763, size: 150000, aggressor: "sell", exchangeTimeUs: at, ingestTimeUs: at + 5e6, cutTimeUs: 0,
  receivedMs: 0, id: 1, kind: "trade", refersTo: null, epoch: 1, sequence: 7,
};

test("a trade shows time, price, size and who took", () => {
  expect(tapeLine({ type: "trade", trade })).toEqual({ kind: "trade", amount: 150000, time: "12:00:00.007", price: "61,837.63", size: "1.50000", mark: "sell", note: "" });
});

test("without a venue's time, the arrival stands in; without a side, no colour", () => {
  const line = tapeLine({ type: "trade", trade: { ...trade, exchangeTimeUs: null, aggressor: "unknown" } });
  expect(line).toMatchObject({ time: "12:00:05.007", mark: "" });
});

test("a trade that was taken back or mended says so", () => {
  expect(tapeLine({ type: "trade", trade: { ...trade, kind: "cancellation" } }).mark).toBe("sell void");
  expect(tapeLine({ type: "trade", trade: { ...trade, kind: "correction" } }).price).toBe("≙ 61,837.63");
});

test("missing trades are counted and their cause is named", () => {
  const range = { symbol: "sim:BTC-USD", epoch: 1, from: 10, to: 1209, count: 1200 };
  expect(tapeLine({ type: "lost", by: "server", ...range })).toMatchObject({ kind: "note", mark: "lost", note: "1,200 trades lost (#10–1209): they came faster than this page takes them" });
  expect(tapeLine({ type: "gap", recovered: false, ...range, to: 10, count: 1 })).toMatchObject({ kind: "note", mark: "gap", note: "1 trade missing (#10): never reached the server" });
});
