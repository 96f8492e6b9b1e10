import { byId, make, setAttribute } from "../ui/dom.ts";
import { MOST_PAGES, NAME_CHARS, type Page } from "./prefs.ts";

export interface PageTabsListener {
  /** Another page was chosen. */
  pageChosen(at: number): void;
  /** Pages were added, renamed or removed. */
  pagesChanged(): void;
  /** A page was made, and is shown: it wants its first symbols. */
  pageMade(): void;
}

/** What the tab of a link is called: a page that is not kept. */
const LINK = "Link";

/** The tabs of pages of instruments. A page that came by a link has a tab of its own, ahead of those that are kept. */
export class PageTabs {
  readonly #list = byId("pages", HTMLElement);
  readonly #dialog = byId("page-dialog", HTMLDialogElement);
  readonly #name = byId("page-name", HTMLInputElement);
  readonly #remove = byId("page-remove", HTMLButtonElement);

  /** linked: the page of a link is shown, which is none of the pages. */
  constructor(private readonly pages: Page[], private shown: number, private linked: readonly string[] | undefined, private readonly listener: PageTabsListener) {
    this.#name.maxLength = NAME_CHARS;
    this.#draw();
    this.#list.addEventListener("click", (event) => {
      const tab = event.target instanceof Element ? event.target.closest<HTMLElement>("[role=tab]") : null;
      if (tab !== null) this.choose(Number(tab.dataset["at"]));
    });
    this.#list.addEventListener("dblclick", () => this.#edit());
    this.#list.addEventListener("keydown", (event) => this.#pressed(event));
    byId("page-add", HTMLButtonElement).addEventListener("click", () => this.#add());
    byId("page-edit", HTMLButtonElement).addEventListener("click", () => this.#edit());
    this.#remove.addEventListener("click", () => this.#drop());
    byId("page-form", HTMLFormElement).addEventListener("submit", () => this.#renamed());
  }

  /** Shows a page by its place; one that does not exist is passed over. */
  choose(at: number): void {
    if (this.pages[at] === undefined || (at === this.shown && this.linked === undefined)) return;
    this.shown = at;
    this.linked = undefined;
    this.#draw();
    this.listener.pageChosen(at);
  }

  /** All pages are gone but for those in the list now. */
  reset(): void {
    this.shown = 0;
    this.linked = undefined;
    this.#draw();
  }

  names(): string[] {
    return [...this.#list.children].map((tab) => tab.textContent ?? "");
  }

  #draw(): void {
    const tab = (name: string, at: number, chosen: boolean) =>
      make("button", { type: "button", role: "tab", "aria-selected": String(chosen), "aria-controls": "watch", tabindex: chosen ? "0" : "-1", "data-at": String(at) }, name);
    const tabs = this.pages.map((page, at) => tab(page.name, at, this.linked === undefined && at === this.shown));
    if (this.linked !== undefined) tabs.unshift(tab(LINK, -1, true));
    this.#list.replaceChildren(...tabs);
    setAttribute(byId("page-edit", HTMLElement), "title", this.linked === undefined ? "Rename or remove this page (F2)" : "Keep these rows as a page (F2)");
    byId("page-add", HTMLElement).hidden = this.pages.length >= MOST_PAGES;
    this.#list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #add(): void {
    let n = this.pages.length + 1;
    while (this.pages.some((page) => page.name === `Page ${n}`)) n++;
    this.pages.push({ name: `Page ${n}`, symbols: [] });
    this.listener.pagesChanged();
    this.choose(this.pages.length - 1);
    this.listener.pageMade();
  }

  #edit(): void {
    this.#name.value = this.linked === undefined ? this.pages[this.shown]!.name : "";
    this.#name.placeholder = this.linked === undefined ? "" : "A name to keep these rows by";
    this.#remove.hidden = this.linked !== undefined || this.pages.length < 2;
    this.#dialog.showModal();
    this.#name.select();
  }

  #renamed(): void {
    const name = this.#name.value.trim();
    if (name === "") return;
    if (this.linked === undefined) this.pages[this.shown]!.name = name;
    else if (this.pages.length < MOST_PAGES) {
      this.pages.push({ name, symbols: [...this.linked] });
      this.choose(this.pages.length - 1);
    }
    this.#draw();
    this.listener.pagesChanged();
  }

  #drop(): void {
    this.#dialog.close();
    this.pages.splice(this.shown, 1);
    const next = Math.min(this.shown, this.pages.length - 1);
    this.shown = -1;
    this.choose(next);
    this.listener.pagesChanged();
  }

  /** The linked page's rows changed. */
  set link(symbols: readonly string[]) {
    this.linked = symbols;
  }

  #pressed(event: KeyboardEvent): void {
    const tabs = [...this.#list.children] as HTMLElement[];
    const at = tabs.indexOf(document.activeElement as HTMLElement);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (event.key === "F2") this.#edit();
    else if (next === undefined) return;
    else if (tabs[next] !== undefined) {
      tabs[next]!.click();
      (this.#list.querySelector("[aria-selected=true]") as HTMLElement | null)?.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
