import { make, TextCell } from "../ui/dom.ts";
import { byteRate, compact, duration, NONE } from "../ui/format.ts";
import { Sparkline } from "../ui/sparkline.ts";
import { Window } from "./window.ts";
import type { Overview } from "./types.ts";
import type { Rates } from "./rates.ts";

interface Tile {
  value: TextCell;
  under: TextCell;
  past: Window;
  line: Sparkline;
}

/** The figures that are looked at first, each with its last two minutes. */
export class Tiles {
  readonly #tiles = new Map<string, Tile>();

  constructor(private readonly at: HTMLElement) {}

  show(o: Overview, rates: Rates): void {
    const { totals, sessions } = o;
    const ticks = Object.values(totals.ticks ?? {}).reduce((sum, n) => sum + n, 0);
    const slowed = Object.values(sessions.slowed ?? {}).reduce((sum, n) => sum + n, 0);
    this.#set("Sessions", sessions.open, compact(sessions.open), tiers(sessions.by_tier));
    this.#rate("Frames", rates.of("frames", totals.frames), (n) => `${compact(n)}/s`, "to all clients");
    this.#rate("Traffic", rates.of("bytes", totals.bytes), byteRate, "out");
    this.#rate("Ticks", rates.of("ticks", ticks), (n) => `${compact(n)}/s`, `${compact(o.instruments)} instruments`);
    this.#rate("Merged", rates.of("conflated", totals.drops?.["conflated"] ?? 0), (n) => `${compact(n)}/s`, "ticks in later rows");
    this.#set("Slow", sessions.blocked + slowed, `${compact(sessions.blocked)} blocked`, `${compact(slowed)} slowed down`);
    this.#set("Latest cut", totals.cut_lateness_max_ms, duration(totals.cut_lateness_max_ms), "behind its beat, ever");
  }

  #rate(name: string, n: number | undefined, say: (n: number) => string, under: string): void {
    if (n === undefined) this.#tile(name).value.set(NONE);
    else this.#set(name, n, say(n), under);
  }

  #set(name: string, n: number, said: string, under: string): void {
    const tile = this.#tile(name);
    tile.value.set(said);
    tile.under.set(under);
    tile.past.add(n);
    tile.line.draw(tile.past.values(), tile.past.length);
  }

  #tile(name: string): Tile {
    let tile = this.#tiles.get(name);
    if (tile === undefined) {
      tile = { value: new TextCell(), under: new TextCell(), past: new Window(60), line: new Sparkline() };
      const value = make("p", { class: "value" });
      value.append(tile.value.node);
      const under = make("p", { class: "note" });
      under.append(tile.under.node);
      const card = make("div", { class: "tile" }, make("h2", {}, name), value, under);
      card.append(tile.line.element);
      this.at.append(card);
      this.#tiles.set(name, tile);
    }
    return tile;
  }
}

function tiers(byTier: Record<string, number> = {}): string {
  return Object.entries(byTier).sort(([, a], [, b]) => b - a).slice(0, 3).map(([tier, n]) => `${compact(n)} ${tier}`).join(", ");
}
