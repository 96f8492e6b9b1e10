import { readStored, writeStored } from "../ui/stored.ts";
import { MAX_ROWS, symbolProblem } from "./address.ts";
import { CEILINGS } from "./ceilings.ts";
import { DEFAULT_INTERVAL, INTERVALS } from "./intervals.ts";
import { DEFAULT_CADENCE_MS, LADDER_MS } from "./ladder.ts";

/** A page of instruments. */
export interface Page {
  name: string;
  /** null: nobody made a list, so the first instruments that there are. */
  symbols: string[] | null;
}

/** What the dashboard remembers between visits, next to the look, which is that of all pages. */
export interface Prefs {
  cadenceMs: number;
  /** Most bytes a second; 0: no ceiling. */
  ceiling: number;
  /** Length of the chart's bars in seconds; 0: the last minute. */
  intervalS: number;
  /** At least one. */
  pages: Page[];
  /** Which of them is shown. */
  shown: number;
  /** Width of the list in per cent. */
  listShare: number;
  /** Whether the flow is open. */
  flow: boolean;
}

export const MOST_PAGES = 20;
export const NAME_CHARS = 24;
export const LIST_SHARE = 44;

const KEY = "feedd.dashboard";

/** The page of a first visit. */
export function firstPage(): Page {
  return { name: "Market", symbols: null };
}

/** Reads what was stored; whatever is missing, foreign or forbidden by the browser takes its default. */
export function loadPrefs(storage: () => Storage): Prefs {
  const stored = readStored(storage, KEY);
  const pages = Array.isArray(stored["pages"]) ? stored["pages"].flatMap(readPage).slice(0, MOST_PAGES) : [];
  if (pages.length === 0) pages.push(firstPage());
  const [shown, share] = [stored["shown"], stored["listShare"]];
  return {
    cadenceMs: LADDER_MS.find((ms) => ms === stored["cadenceMs"]) ?? DEFAULT_CADENCE_MS,
    ceiling: CEILINGS.find((bytes) => bytes === stored["ceiling"]) ?? 0,
    intervalS: INTERVALS.find((s) => s === stored["intervalS"]) ?? DEFAULT_INTERVAL,
    pages,
    shown: typeof shown === "number" && pages[shown] !== undefined ? shown : 0,
    listShare: typeof share === "number" && share > 0 && share < 100 ? share : LIST_SHARE,
    flow: stored["flow"] !== false,
  };
}

/** Stores them; false: the browser refused, and the page forgets them when it closes. */
export function savePrefs(storage: () => Storage, prefs: Prefs): boolean {
  return writeStored(storage, KEY, prefs);
}

function readPage(stored: unknown): Page[] {
  const { name, symbols } = (stored ?? {}) as { name?: unknown; symbols?: unknown };
  if (typeof name !== "string" || name.trim() === "") return [];
  const list = Array.isArray(symbols)
    ? symbols.filter((s): s is string => typeof s === "string" && symbolProblem(s) === undefined).slice(0, MAX_ROWS)
    : null;
  return [{ name: name.trim().slice(0, NAME_CHARS), symbols: list }];
}
