import { byId, make } from "./dom.ts";
import { applyLook, PALETTES, THEMES, type Palette, type Prefs, type Theme } from "./prefs.ts";

const THEME_NAMES: Record<Theme, string> = { auto: "As the system", dark: "Dark", light: "Light" };
const PALETTE_NAMES: Record<Palette, string> = { "blue-orange": "Blue and orange", "green-red": "Green and red", "red-up": "Red is up" };

/** What the dialog of looks and keys can do to the page. */
export interface SettingsListener {
  lookChanged(): void;
  /** Address of a page that shows this list again. */
  link(): string;
  forgetList(): void;
}

/** The dialog of looks and keys. */
export class Settings {
  readonly #dialog = byId("panel", HTMLDialogElement);

  constructor(private readonly prefs: Prefs, private readonly listener: SettingsListener) {
    this.#choices("themes", THEMES, prefs.theme, (theme) => (prefs.theme = theme), (theme) => [THEME_NAMES[theme]]);
    this.#choices("palettes", PALETTES, prefs.palette, (palette) => (prefs.palette = palette), (palette) => [
      make("span", { "aria-hidden": "true", "data-palette": palette }, make("span", { class: "up" }, "▲"), " ", make("span", { class: "down" }, "▼")),
      PALETTE_NAMES[palette],
    ]);
    byId("copy-link", HTMLButtonElement).addEventListener("click", (event) => void this.#copy(event.currentTarget as HTMLElement));
    byId("reset", HTMLButtonElement).addEventListener("click", () => {
      listener.forgetList();
      this.#dialog.close();
    });
  }

  open(): void {
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #choices<T extends string>(id: string, all: readonly T[], now: T, choose: (value: T) => void, content: (value: T) => (Node | string)[]): void {
    const set = byId(id, HTMLFieldSetElement);
    for (const value of all) {
      const input = make("input", { type: "radio", name: id, value });
      input.checked = value === now;
      input.addEventListener("change", () => {
        choose(value);
        applyLook(document.documentElement, this.prefs);
        this.listener.lookChanged();
      });
      set.append(make("label", {}, input, ...content(value)));
    }
  }

  async #copy(button: HTMLElement): Promise<void> {
    const link = this.listener.link();
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = "Copied";
    } catch {
      button.textContent = link; // no clipboard, as on plain http: shown, to be copied by hand
    }
  }
}
