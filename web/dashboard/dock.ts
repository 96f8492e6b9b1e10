import { byId, make, setAttribute } from "../ui/dom.ts";

/** Parts that a narrow window shows one at a time. */
export const PARTS = ["list", "chart", "book", "trades", "flow"] as const;
export type Part = (typeof PARTS)[number];

const ICONS: Record<Part, string> = {
  list: "M3 5h14v1.600H3zM3 9.200h14v1.600H3zM3 13.400h14V15H3z",
  chart: "M5 3h1.500v2H8v8H6.500v3H5v-3H3.500V5H5zM13.500 4H15v3h1.500v6H15v3h-1.500v-3H12V7h1.500z",
  book: "M3 4h9v2H3zM3 7h6v2H3zM11 11h6v2h-6zM8 14h9v2H8z",
  trades: "M3 4h6v1.600H3zM12 4h5v1.600h-5zM3 8h8v1.600H3zM14 8h3v1.600h-3zM3 12h5v1.600H3zM11 12h6v1.600h-6z",
  flow: "M2 5h6l5 4h5v1.800h-5.600L7.400 6.800H2zM2 9.100h5v1.700H2zM2 13.200h6l2.300-1.800 1.500 1.100L8.600 15H2z",
};
const NAMES: Record<Part, string> = { list: "List", chart: "Chart", book: "Book", trades: "Trades", flow: "Flow" };

/** The dock of a narrow window. On a wide one everything is there at once, and it is not. */
export class Dock {
  readonly narrow = matchMedia("(max-width: 820px)");
  readonly #buttons = new Map<Part, HTMLButtonElement>();

  constructor(private readonly shown: (dock: Dock) => void) {
    const dock = byId("dock", HTMLElement);
    for (const part of PARTS) {
      const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      icon.setAttribute("viewBox", "0 0 20 20");
      icon.setAttribute("aria-hidden", "true");
      path.setAttribute("d", ICONS[part]);
      icon.append(path);
      const button = make("button", { type: "button" }, NAMES[part]);
      button.prepend(icon);
      button.addEventListener("click", () => this.show(part));
      this.#buttons.set(part, button);
      dock.append(button);
    }
    this.narrow.addEventListener("change", () => this.shown(this));
    this.show("list");
  }

  /** The part that a narrow window shows. */
  get part(): Part {
    return document.body.dataset["tab"] as Part;
  }

  show(part: Part): void {
    setAttribute(document.body, "data-tab", part);
    for (const [name, button] of this.#buttons) setAttribute(button, "aria-current", String(name === part));
    this.shown(this);
  }

  /** Whether the part is on the screen. */
  sees(part: Part): boolean {
    return !this.narrow.matches || this.part === part;
  }
}
