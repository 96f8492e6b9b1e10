import { setAttribute } from "./dom.ts";

/** Units of the drawing, which the style sheet stretches to whatever place there is. */
const WIDTH = 100;
const HEIGHT = 30;
const PAD = 3;

const SVG = "http://www.w3.org/2000/svg";

/**
 * A line of a few dozen values without axes. Its colours are the style sheet's: `data-way` is up, down or empty. It is
 * drawn as SVG, since browsers make a layer of each canvas, and sorting a hundred of them costs more than all else.
 */
export class Sparkline {
  readonly element = document.createElementNS(SVG, "svg");
  readonly #ground = document.createElementNS(SVG, "path");
  readonly #line = document.createElementNS(SVG, "path");
  readonly #end = document.createElementNS(SVG, "path");

  constructor() {
    for (const [name, value] of [["class", "sparkline"], ["viewBox", `0 0 ${WIDTH} ${HEIGHT}`], ["preserveAspectRatio", "none"], ["aria-hidden", "true"]] as const) {
      this.element.setAttribute(name, value);
    }
    this.#ground.setAttribute("class", "ground");
    this.#end.setAttribute("class", "end");
    this.element.append(this.#ground, this.#line, this.#end);
  }

  /** Draws the first `count` values from left to right; fewer than two draw nothing. */
  draw(values: ArrayLike<number>, count: number): void {
    const line = count < 2 ? "" : path(values, count);
    const last = line.slice(line.lastIndexOf("L") + 1);
    setAttribute(this.#line, "d", line);
    setAttribute(this.#ground, "d", line && `${line}V${HEIGHT}H${PAD}Z`);
    setAttribute(this.#end, "d", line && `M${last}h0`);
    const way = count < 2 || values[0] === values[count - 1] ? "" : values[count - 1]! > values[0]! ? "up" : "down";
    setAttribute(this.element, "data-way", way);
  }
}

function path(values: ArrayLike<number>, count: number): string {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < count; i++) {
    low = Math.min(low, values[i]!);
    high = Math.max(high, values[i]!);
  }
  let out = "";
  for (let i = 0; i < count; i++) {
    const x = PAD + (i / (count - 1)) * (WIDTH - 2 * PAD);
    const y = high > low ? PAD + ((high - values[i]!) / (high - low)) * (HEIGHT - 2 * PAD) : HEIGHT / 2;
    out += `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
  }
  return out;
}
