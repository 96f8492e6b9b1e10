import { setAttribute } from "./dom.ts";

/** Per cent that an arrow key moves. */
const STEP = 2;

/**
 * The line between two parts that are side by side, as a separator of the ARIA pattern: dragged, moved by arrow keys,
 * and put back by a double click. The share of the left part, in per cent of `box`, goes into the property --list of it.
 */
export class Splitter {
  #share = 0;

  constructor(
    private readonly line: HTMLElement,
    private readonly box: HTMLElement,
    private readonly usual: number,
    share: number,
    private readonly moved: (share: number) => void,
  ) {
    this.#show(share);
    line.addEventListener("pointerdown", (event) => {
      line.setPointerCapture(event.pointerId);
      line.dataset["held"] = "true";
      event.preventDefault();
    });
    line.addEventListener("pointermove", (event) => {
      if (line.dataset["held"] !== "true") return;
      const { left, width } = box.getBoundingClientRect();
      this.#show(((event.clientX - left) / width) * 100);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      line.addEventListener(end, () => {
        if (line.dataset["held"] !== "true") return;
        line.dataset["held"] = "false";
        moved(this.#share);
      });
    }
    line.addEventListener("dblclick", () => this.#set(usual));
    line.addEventListener("keydown", (event) => this.#pressed(event));
  }

  #pressed(event: KeyboardEvent): void {
    const to = { ArrowLeft: this.#share - STEP, ArrowRight: this.#share + STEP, Home: 0, End: 100, Enter: this.usual }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#set(to);
  }

  #set(share: number): void {
    this.#show(share);
    this.moved(this.#share);
  }

  #show(share: number): void {
    const [least, most] = [Number(this.line.getAttribute("aria-valuemin")), Number(this.line.getAttribute("aria-valuemax"))];
    this.#share = Math.round(Math.min(most, Math.max(least, share)));
    this.box.style.setProperty("--list", String(this.#share));
    setAttribute(this.line, "aria-valuenow", String(this.#share));
  }
}
