import { byId, make, setAttribute, TextCell } from "./dom.ts";

/** A stop of a slider: what the steps below it say, and what is said of it when it is chosen. */
export interface Stop<T> {
  value: T;
  /** As short as can be; empty: no mark. */
  mark: string;
  said: string;
}

/** A slider over stops, with marks below that can be clicked. The markup is that of `.slider` in base.css. */
export class Slider<T> {
  readonly #input: HTMLInputElement;
  readonly #said: TextCell;
  readonly #marks: HTMLElement[];
  /** Place of the stop that is chosen; -1 before the first. */
  #at = -1;

  /** id is the input's; the marks are at id-steps, and id-said says what is chosen. chosen is called for choices by hand. */
  constructor(id: string, private readonly stops: readonly Stop<T>[], at: number, private readonly chosen: (value: T) => void) {
    this.#input = byId(id, HTMLInputElement);
    this.#input.max = String(stops.length - 1);
    this.#said = new TextCell(byId(`${id}-said`, HTMLElement));
    this.#marks = stops.map((stop, i) => {
      const mark = make("span", {}, stop.mark);
      mark.addEventListener("click", () => this.#choose(i));
      return mark;
    });
    byId(`${id}-steps`, HTMLElement).replaceChildren(...this.#marks);
    this.#show(at);
    this.#input.addEventListener("input", () => this.#choose(Number(this.#input.value)));
  }

  get value(): T {
    return this.stops[this.#at]!.value;
  }

  /** Goes along the stops: 1 is the next. */
  step(by: 1 | -1): void {
    if (this.stops[this.#at + by] !== undefined) this.#choose(this.#at + by);
  }

  /** Moves the knob without telling anybody. */
  set(value: T): void {
    const at = this.stops.findIndex((stop) => stop.value === value);
    if (at >= 0) this.#show(at);
  }

  #choose(at: number): void {
    if (at === this.#at) return;
    this.#show(at);
    this.chosen(this.value);
  }

  #show(at: number): void {
    this.#at = at;
    this.#marks.forEach((mark, i) => setAttribute(mark, "data-on", String(i === at)));
    this.#input.value = String(at);
    this.#input.style.setProperty("--at", String(this.stops.length > 1 ? at / (this.stops.length - 1) : 0));
    setAttribute(this.#input, "aria-valuetext", this.stops[at]!.said);
    this.#said.set(this.stops[at]!.said);
  }
}
