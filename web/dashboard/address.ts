import { LADDER_MS, nearestCadence } from "./ladder.ts";

/** What a deep link such as `/?symbols=sim:BTC-USD,sim:ETH-USD&rate=250` asks for. */
export interface Address {
  /** Absent: the link names none, so the page shows its own list. */
  symbols?: string[];
  cadenceMs?: number;
  /** What was wrong with the link and what would be right, for people. */
  problems: string[];
}

/** Rows that one page may show: the number of instruments that the default session limits leave room for. */
export const MAX_ROWS = 200;

const MAX_SYMBOL_BYTES = 64;

/** Whether the text stands for several symbols, which the server names: a pattern or a list. */
export function isPattern(text: string): boolean {
  return text.includes("*") || text.startsWith("@");
}

/** Why `text` can be neither "venue:NAME" nor a pattern or list; undefined: it can. */
export function symbolProblem(text: string): string | undefined {
  const want = "want venue:NAME, such as binance:BTCUSDT, or a pattern such as binance:*USDT";
  if (new TextEncoder().encode(text).length > MAX_SYMBOL_BYTES) return `longer than ${MAX_SYMBOL_BYTES} bytes: ${want}`;
  if (/[\u0000- \u007f]/.test(text)) return `holds a space or control character: ${want}`;
  const colon = text.indexOf(":");
  if (!isPattern(text) && (colon <= 0 || colon === text.length - 1)) return want;
  return undefined;
}

export function parseAddress(search: string): Address {
  const out: Address = { problems: [] };
  const raw = rawParameters(search);
  const symbols = raw.get("symbols");
  if (symbols !== undefined && symbols !== "") out.symbols = parseSymbols(symbols, out.problems);
  const rate = raw.get("rate");
  if (rate !== undefined) {
    const ms = decode(rate);
    const slowest = LADDER_MS[LADDER_MS.length - 1] ?? 0;
    if (/^\d{1,6}$/.test(ms) && Number(ms) <= slowest) out.cadenceMs = nearestCadence(Number(ms));
    else out.problems.push(`rate=${clip(ms)} in the link: want whole milliseconds from 0 to ${slowest}`);
  }
  return out;
}

/** The query of a link that shows this list again. */
export function formatAddress(symbols: readonly string[], cadenceMs: number): string {
  return `?symbols=${symbols.map(encodeSymbol).join(",")}&rate=${cadenceMs}`;
}

function parseSymbols(raw: string, problems: string[]): string[] {
  const seen = new Set<string>();
  // The list is split before it is decoded: a name may hold an escaped comma.
  for (const part of raw.split(",")) {
    const symbol = decode(part);
    if (symbol === "" || seen.has(symbol)) continue;
    const problem = symbolProblem(symbol);
    if (problem !== undefined) problems.push(`“${clip(symbol)}” in the link: ${problem}`);
    else if (seen.size < MAX_ROWS) seen.add(symbol);
    else {
      problems.push(`The link names more than ${MAX_ROWS} symbols: the first ${MAX_ROWS} are shown`);
      break;
    }
  }
  return [...seen];
}

/** Parameters as they stand in the link, still escaped; the first of each name counts. */
function rawParameters(search: string): Map<string, string> {
  const out = new Map<string, string>();
  for (const pair of search.replace(/^\?/, "").split("&")) {
    const at = pair.indexOf("=");
    const name = decode(at < 0 ? pair : pair.slice(0, at));
    if (name !== "" && !out.has(name)) out.set(name, at < 0 ? "" : pair.slice(at + 1));
  }
  return out;
}

function decode(raw: string): string {
  try {
    return decodeURIComponent(raw.replaceAll("+", " "));
  } catch {
    return raw; // a stray % sign: shown as it stands, and refused where it makes no symbol
  }
}

function encodeSymbol(symbol: string): string {
  return encodeURIComponent(symbol).replaceAll("%3A", ":").replaceAll("%2F", "/");
}

function clip(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
