import { isPattern, symbolProblem } from "./address.ts";
import { symbolNodes } from "./cells.ts";
import { listInstruments, type Listed } from "./directory.ts";
import { byId, make } from "../ui/dom.ts";

/** Rest between a key and the question to the server. */
const DEBOUNCE_MS = 80;
const SHOWN = 30;

/** The dialog that finds instruments and adds them. */
export class Search {
  readonly #dialog = byId("search", HTMLDialogElement);
  readonly #text = byId("search-text", HTMLInputElement);
  readonly #list = byId("search-list", HTMLUListElement);
  readonly #note = byId("search-note", HTMLElement);
  #found: Listed[] = [];
  #chosen = 0;
  #asking: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly has: (symbol: string) => boolean,
    private readonly add: (symbol: string) => void,
    private readonly token: string | undefined,
  ) {
    this.#text.addEventListener("input", () => this.#typed());
    this.#text.addEventListener("keydown", (event) => this.#pressed(event));
    this.#list.addEventListener("click", (event) => {
      const li = event.target instanceof Element ? event.target.closest("li") : null;
      if (li !== null) this.#take([...this.#list.children].indexOf(li));
    });
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#dialog.close(); // the backdrop
    });
    this.#dialog.addEventListener("close", () => this.#asking?.abort());
  }

  open(): void {
    if (this.#dialog.open) return;
    this.#text.value = "";
    this.#show([], "");
    this.#dialog.showModal();
    this.#text.focus();
    void this.#ask();
  }

  #typed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), DEBOUNCE_MS);
  }

  /** Asks for what fits the text; an older question that is still open is given up. */
  async #ask(): Promise<void> {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const q = this.#text.value.trim();
    if (isPattern(q)) {
      const description = q.startsWith("@") ? "every instrument of the list" : "every instrument that fits the pattern";
      this.#show([{ symbol: q, description }], symbolProblem(q) ?? "");
      return;
    }
    try {
      const { instruments, total } = await listInstruments(q, SHOWN, this.token, asking.signal);
      if (asking.signal.aborted) return;
      const more = total > instruments.length ? `${instruments.length} of ${total}: type on to narrow it down` : "";
      this.#show(instruments, instruments.length === 0 ? `No instrument fits “${q}”. A pattern such as sim:* adds several.` : more);
    } catch (error) {
      if (!asking.signal.aborted) this.#show([], `Cannot search: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #show(found: Listed[], note: string): void {
    this.#note.textContent = note;
    // An answer that says the same again, as of a longer text, leaves the choice alone.
    if (found.length > 0 && found.map((f) => f.symbol).join() === this.#found.map((f) => f.symbol).join()) return;
    this.#found = found;
    this.#list.replaceChildren(...found.map((listed, i) => make(
      "li", { role: "option", id: `found-${i}`, "aria-selected": "false" },
      make("span", { class: "name" }, ...symbolNodes(listed.symbol)),
      make("span", { class: "about" }, listed.description),
      make("span", { class: "there" }, this.has(listed.symbol) ? "in the list" : ""),
    )));
    this.#choose(0);
  }

  #choose(i: number): void {
    this.#list.children[this.#chosen]?.setAttribute("aria-selected", "false");
    this.#chosen = Math.min(Math.max(i, 0), Math.max(0, this.#found.length - 1));
    const li = this.#list.children[this.#chosen];
    li?.setAttribute("aria-selected", "true");
    li?.scrollIntoView({ block: "nearest" });
    this.#text.setAttribute("aria-activedescendant", li?.id ?? "");
  }

  #take(i: number): void {
    const listed = this.#found[i];
    if (listed === undefined || symbolProblem(listed.symbol) !== undefined) return;
    this.add(listed.symbol);
    this.#dialog.close();
  }

  #pressed(event: KeyboardEvent): void {
    if (event.key === "ArrowDown") this.#choose(this.#chosen + 1);
    else if (event.key === "ArrowUp") this.#choose(this.#chosen - 1);
    else if (event.key === "Enter") this.#take(this.#chosen);
    else return;
    event.preventDefault();
  }
}
