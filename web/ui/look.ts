import { oneOf, readStored, writeStored } from "./stored.ts";

export const THEMES = ["auto", "dark", "light"] as const;
export const PALETTES = ["blue-orange", "green-red", "red-up"] as const;
export const DENSITIES = ["regular", "compact"] as const;
export type Theme = (typeof THEMES)[number];
export type Palette = (typeof PALETTES)[number];
export type Density = (typeof DENSITIES)[number];

/** How pages look, the same for all pages of a server. */
export interface Look {
  theme: Theme;
  palette: Palette;
  density: Density;
}

const KEY = "feedd.look";

export function loadLook(storage: () => Storage): Look {
  const stored = readStored(storage, KEY);
  return { theme: oneOf(THEMES, stored["theme"]), palette: oneOf(PALETTES, stored["palette"]), density: oneOf(DENSITIES, stored["density"]) };
}

export function saveLook(storage: () => Storage, look: Look): boolean {
  return writeStored(storage, KEY, look);
}

/** Shows it: the style sheet reads all three from the root element. */
export function applyLook(root: HTMLElement, look: Look): void {
  Object.assign(root.dataset, look);
}
