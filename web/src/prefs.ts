import { DEFAULT_INTERVAL, INTERVALS } from "./intervals.ts";
import { DEFAULT_CADENCE_MS, LADDER_MS } from "./ladder.ts";
import { MAX_ROWS, symbolProblem } from "./address.ts";

export const THEMES = ["auto", "dark", "light"] as const;
export const PALETTES = ["blue-orange", "green-red", "red-up"] as const;
export type Theme = (typeof THEMES)[number];
export type Palette = (typeof PALETTES)[number];

/** What the page remembers between visits. */
export interface Prefs {
  theme: Theme;
  palette: Palette;
  cadenceMs: number;
  /** Length of the chart's bars in seconds; 0: the last minute. */
  intervalS: number;
  /** The list of rows; empty: the first instruments that there are. */
  symbols: string[];
}

const KEY = "feedd.dashboard";

/** Reads what was stored; whatever is missing, foreign or forbidden by the browser takes its default. */
export function loadPrefs(storage: () => Storage): Prefs {
  let stored: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(storage().getItem(KEY) ?? "{}");
    if (typeof parsed === "object" && parsed !== null) stored = parsed as Record<string, unknown>;
  } catch {
    // Storage that is switched off or holds something else: the page starts as on a first visit.
  }
  const symbols = Array.isArray(stored["symbols"]) ? stored["symbols"] : [];
  return {
    theme: oneOf(THEMES, stored["theme"]),
    palette: oneOf(PALETTES, stored["palette"]),
    cadenceMs: LADDER_MS.find((ms) => ms === stored["cadenceMs"]) ?? DEFAULT_CADENCE_MS,
    intervalS: INTERVALS.find((s) => s === stored["intervalS"]) ?? DEFAULT_INTERVAL,
    symbols: symbols.filter((s): s is string => typeof s === "string" && symbolProblem(s) === undefined).slice(0, MAX_ROWS),
  };
}

/** Stores them; false: the browser refused, and the page forgets them when it closes. */
export function savePrefs(storage: () => Storage, prefs: Prefs): boolean {
  try {
    storage().setItem(KEY, JSON.stringify(prefs));
    return true;
  } catch {
    return false;
  }
}

/** Shows theme and palette: the style sheet reads both from the root element. */
export function applyLook(root: HTMLElement, look: Pick<Prefs, "theme" | "palette">): void {
  root.dataset["theme"] = look.theme;
  root.dataset["palette"] = look.palette;
}

function oneOf<T extends string>(allowed: readonly [T, ...T[]] | readonly T[], value: unknown): T {
  return allowed.find((v) => v === value) ?? (allowed[0] as T);
}
