import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** What a recording ends with, as the exchange's own decimal text. */
export interface LastTicks {
  bid: string;
  bidSize: string;
  ask: string;
  askSize: string;
  trade: string;
}

/** Reads a recording with nothing of feedd's: the last best bid and offer and the last trade in the file. */
export function lastTicks(file: string): LastTicks {
  const lines = gunzipSync(readFileSync(file)).toString("utf8").trimEnd().split("\n");
  const last = (stream: string): Record<string, string> => {
    const line = lines.findLast((l) => l.includes(`@${stream}"`));
    if (line === undefined) throw new Error(`${file} holds no ${stream}`);
    return (JSON.parse(line.slice(line.indexOf("{"))) as { data: Record<string, string> }).data;
  };
  const quote = last("bookTicker");
  return { bid: quote["b"]!, bidSize: quote["B"]!, ask: quote["a"]!, askSize: quote["A"]!, trade: last("trade")["p"]! };
}

/** A book and bars as a simple reader of the file makes them, without anything of feedd's. Exact: numbers are whole, times 10^8. */
export interface Truth {
  /** Best first, as decimal text. */
  bids: [price: string, size: string][];
  asks: [price: string, size: string][];
  /** Of trades by their exchange time, a minute each, by start. */
  minutes: Minute[];
  /** All trades as if they were one bar. */
  all: Minute;
}

export interface Minute {
  startS: number;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
  turnover: string;
  trades: number;
}

const E8 = 100_000_000n;
const scaled = (decimal: string): bigint => {
  const [whole = "0", fraction = ""] = decimal.split(".");
  return BigInt(whole) * E8 + BigInt(fraction.padEnd(8, "0"));
};
const text = (value: bigint, decimals = 8): string => {
  const digits = String(value).padStart(decimals + 1, "0");
  return plainDecimal(`${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`);
};

export function reconstruct(file: string): Truth {
  const sides = { b: new Map<bigint, bigint>(), a: new Map<bigint, bigint>() };
  const take = (name: "a" | "b", levels: [string, string][]) => {
    for (const [price, size] of levels) {
      if (scaled(size) === 0n) sides[name].delete(scaled(price));
      else sides[name].set(scaled(price), scaled(size));
    }
  };
  let snapshotAt = -1;
  const trades: { startS: number; price: bigint; size: bigint }[] = [];
  for (const line of gunzipSync(readFileSync(file)).toString("utf8").trimEnd().split("\n")) {
    const event = JSON.parse(line.slice(line.indexOf("{"))) as any;
    if (event.lastUpdateId !== undefined) {
      snapshotAt = event.lastUpdateId;
      for (const name of ["a", "b"] as const) sides[name].clear();
      take("b", event.bids);
      take("a", event.asks);
    } else if (event.stream.includes("@depth") && snapshotAt >= 0 && event.data.u > snapshotAt) {
      take("b", event.data.b);
      take("a", event.data.a);
    } else if (event.stream.endsWith("@trade")) {
      trades.push({ startS: Math.floor(event.data.T / 60_000) * 60, price: scaled(event.data.p), size: scaled(event.data.q) });
    }
  }
  const levels = (name: "a" | "b", sign: 1n | -1n) => [...sides[name]].sort(([p], [q]) => (sign * p < sign * q ? -1 : 1))
    .map(([price, size]): [string, string] => [text(price), text(size)]);
  const starts = [...new Set(trades.map((t) => t.startS))].sort((a, b) => a - b);
  return {
    bids: levels("b", -1n), asks: levels("a", 1n), all: sum(0, trades),
    minutes: starts.map((startS) => sum(startS, trades.filter((t) => t.startS === startS))),
  };
}

function sum(startS: number, trades: { price: bigint; size: bigint }[]): Minute {
  const prices = trades.map((t) => t.price);
  return {
    startS, open: text(prices[0]!), close: text(prices.at(-1)!), trades: trades.length,
    high: text(prices.reduce((a, b) => (b > a ? b : a))), low: text(prices.reduce((a, b) => (b < a ? b : a))),
    volume: text(trades.reduce((total, t) => total + t.size, 0n)), turnover: text(trades.reduce((total, t) => total + t.price * t.size, 0n), 16),
  };
}

/** Decimal text without grouping and without the zeros at its end: two texts of one number are then equal. */
export function plainDecimal(text: string): string {
  const digits = text.replaceAll(",", "");
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}
