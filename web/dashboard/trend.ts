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

const values = new Float64Array(Math.max(TREND_BARS + 1, POINTS));

/** The sparkline of a row. */
export class Trend {
  readonly #line = new Sparkline();

  get element(): Element {
    return this.#line.element;
  }

  draw(bars: readonly BarRow[], past: Past): void {
    const enough = bars.length >= FEWEST_BARS;
    this.#line.draw(values, enough ? readBars(bars) : readPast(past));
    setAttribute(this.element, "data-of", enough ? "bars" : "quotes");
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
