import type { BookSide, Instrument } from "@feedd/client";
import { formatPrice, formatSize } from "@feedd/client";
import { make, TextCell } from "../ui/dom.ts";
import type { Flashes } from "../ui/flash.ts";
import { group } from "../ui/format.ts";

/** A line of the ladder: price, size, and all that is offered up to there. */
class Line {
  readonly element: HTMLTableRowElement;
  readonly #price = new TextCell();
  readonly #size = new TextCell();
  readonly #sum = new TextCell();
  readonly #sizeCell: HTMLElement;
  #at = NaN;
  #amount = NaN;

  constructor(side: "bid" | "ask") {
    this.#sizeCell = make("td", { role: "cell", class: "size" }, this.#size.node);
    const price = make("td", { role: "cell", class: "at" }, this.#price.node);
    this.element = make("tr", { role: "row", class: side }, price, this.#sizeCell, make("td", { role: "cell", class: "sum" }, this.#sum.node));
  }

  show(price: number, size: number, sum: number, instrument: Instrument, flashes: Flashes, nowMs: number): void {
    if (this.#at === price && this.#amount !== size) flashes.set(this.#sizeCell, "moved", nowMs);
    this.#at = price;
    this.#amount = size;
    this.#price.set(group(formatPrice(price, instrument)));
    this.#size.set(group(formatSize(size, instrument)));
    this.#sum.set(group(formatSize(Math.min(sum, Number.MAX_SAFE_INTEGER), instrument)));
  }

  /** Draws the bars of size and sum as shares of the row, 0 to 1: grounds, not elements, which would each be a layer to the browser. */
  scale(size: number, sum: number): void {
    this.element.style.backgroundSize = `${(100 * size).toFixed(1)}% calc(100% - 2px), ${(100 * sum).toFixed(1)}% calc(100% - 2px)`;
  }

  clear(): void {
    this.#at = this.#amount = NaN;
    for (const cell of [this.#price, this.#size, this.#sum]) cell.set("");
    this.scale(0, 0);
  }
}

/** One side of the ladder, its best level nearest to the spread. */
export class LadderSide {
  /** The best first. */
  readonly #lines: Line[] = [];
  #count = 0;

  constructor(
    private readonly body: HTMLTableSectionElement,
    private readonly side: "bid" | "ask",
  ) {}

  /** Makes room for so many levels. */
  resize(count: number): void {
    if (count === this.#count) return;
    this.#count = count;
    while (this.#lines.length < count) this.#lines.push(new Line(this.side));
    const shown = this.#lines.slice(0, count).map((line) => line.element);
    this.body.replaceChildren(...(this.side === "ask" ? shown.reverse() : shown));
  }

  /** Largest size and the sum of those that have room. */
  measure(levels: BookSide): { size: number; sum: number } {
    let size = 0, sum = 0;
    const count = Math.min(levels.length, this.#count);
    for (let i = 0; i < count; i++) {
      size = Math.max(size, levels.size(i));
      sum += levels.size(i);
    }
    return { size, sum };
  }

  draw(levels: BookSide, instrument: Instrument, most: { size: number; sum: number }, flashes: Flashes, nowMs: number): void {
    let sum = 0;
    for (let i = 0; i < this.#count; i++) {
      const line = this.#lines[i]!;
      if (i >= levels.length) {
        line.clear();
        continue;
      }
      const size = levels.size(i);
      sum += size;
      line.show(levels.price(i), size, sum, instrument, flashes, nowMs);
      line.scale(most.size > 0 ? size / most.size : 0, most.sum > 0 ? sum / most.sum : 0);
    }
  }

  clear(): void {
    for (const line of this.#lines) line.clear();
  }

  /** Price and size of each line that shows a level, the best first. */
  text(): [price: string, size: string][] {
    return this.#lines.slice(0, this.#count).flatMap(({ element }) => {
      const [price, size] = [...element.cells].map((cell) => cell.textContent ?? "");
      return price ? [[price, size!] as [string, string]] : [];
    });
  }
}
