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

/** Decimal text without grouping and without the zeros at its end: two texts of one number are then equal. */
export function plainDecimal(text: string): string {
  const digits = text.replaceAll(",", "");
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}
