import type { BarRow } from "@feedd/client";
import { setAttribute } from "../ui/dom.ts";
import { Sparkline } from "../ui/sparkline.ts";
import type { Past } from "./past.ts";

/** Bars of a minute that a sparkline spans. */
export const TREND_BARS = 60;
/** Fewer bars than this make no line: then what was seen of the quote does, for as long as the page is open. */
const FEWEST_BARS = 8;
/** Values drawn of it. */
const POINTS = 72;

export interface TrendColours {
  up: string;
  down: string;
  flat: string;
  faintUp: string;
  faintDown: string;
}

const values = new Float64Array(Math.max(TREND_BARS + 1, POINTS));

/** The sparkline of a row. */
export class Trend {
  readonly #line = new Sparkline();

  get canvas(): HTMLCanvasElement {
    return this.#line.canvas;
  }

  draw(bars: readonly BarRow[], past: Past, colours: TrendColours): void {
    const enough = bars.length >= FEWEST_BARS;
    const count = enough ? readBars(bars) : readPast(past);
    const [first, last] = [values[0]!, values[count - 1]!];
    const way = count < 2 || first === last ? 0 : last > first ? 1 : -1;
    this.#line.draw(values, count, way === 0 ? colours.flat : way > 0 ? colours.up : colours.down, way < 0 ? colours.faintDown : way > 0 ? colours.faintUp : "transparent");
    setAttribute(this.canvas, "data-of", enough ? "bars" : "quotes");
  }
}

function readBars(bars: readonly BarRow[]): number {
  const from = Math.max(0, bars.length - TREND_BARS);
  values[0] = bars[from]!.open;
  for (let i = from; i < bars.length; i++) values[i - from + 1] = bars[i]!.close;
  return bars.length - from + 1;
}

/** Thins out what is more than there are points for. */
function readPast(past: Past): number {
  let seen = 0;
  past.forEachSince(-Infinity, () => seen++);
  const every = Math.ceil(seen / POINTS) || 1;
  let i = 0, count = 0;
  past.forEachSince(-Infinity, (_, bid, ask) => {
    const middle = Number.isNaN(bid) ? ask : Number.isNaN(ask) ? bid : (bid + ask) / 2;
    if ((i++ % every === 0 || i === seen) && !Number.isNaN(middle) && count < POINTS) values[count++] = middle;
  });
  return count;
}
