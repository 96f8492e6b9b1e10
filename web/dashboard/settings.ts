import { byId, make } from "../ui/dom.ts";
import { applyLook, DENSITIES, PALETTES, THEMES, type Density, type Look, type Palette, type Theme } from "../ui/look.ts";

const THEME_NAMES: Record<Theme, string> = { auto: "As the system", dark: "Dark", light: "Light" };
const DENSITY_NAMES: Record<Density, string> = { regular: "Regular", compact: "Compact" };
const PALETTE_NAMES: Record<Palette, string> = { "blue-orange": "Blue and orange", "green-red": "Green and red", "red-up": "Red is up" };

/** What the dialog of looks and keys can do to the page. */
export interface SettingsListener {
  lookChanged(): void;
  /** Address of a page that shows these rows again. */
  link(): string;
  forgetPages(): void;
}

/** The dialog of looks and keys. */
export class Settings {
  readonly #dialog = byId("panel", HTMLDialogElement);

  constructor(private readonly look: Look, private readonly listener: SettingsListener) {
    this.#choices("themes", THEMES, look.theme, (theme) => (look.theme = theme), (theme) => [THEME_NAMES[theme]]);
    this.#choices("palettes", PALETTES, look.palette, (palette) => (look.palette = palette), (palette) => [
      make("span", { "aria-hidden": "true", class: "swatch", "data-palette": palette }, make("span", { class: "up" }, "▲"), " ", make("span", { class: "down" }, "▼")),
      PALETTE_NAMES[palette],
    ]);
    this.#choices("densities", DENSITIES, look.density, (density) => (look.density = density), (density) => [DENSITY_NAMES[density]]);
    byId("copy-link", HTMLButtonElement).addEventListener("click", (event) => void this.#copy(event.currentTarget as HTMLElement));
    byId("reset", HTMLButtonElement).addEventListener("click", () => {
      listener.forgetPages();
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
        applyLook(document.documentElement, this.look);
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
