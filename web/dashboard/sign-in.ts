import { byId } from "../ui/dom.ts";

const KEY = "feedd.token";

/** The token in a link's fragment, which browsers send to nobody: "#token=…". */
export function tokenInFragment(hash: string): string | undefined {
  return new URLSearchParams(hash.replace(/^#/, "")).get("token") || undefined;
}

/** The token of this tab: the link's, which is taken out of the address at once, or the one that was given here before. */
export function takeToken(storage: () => Storage): string | undefined {
  const linked = tokenInFragment(location.hash);
  if (linked !== undefined) {
    history.replaceState(null, "", location.pathname + location.search);
    keepToken(storage, linked);
    return linked;
  }
  try {
    return storage().getItem(KEY) ?? undefined;
  } catch {
    return undefined; // no storage: asked for on each visit
  }
}

/** Keeps a token for as long as the tab is open. */
function keepToken(storage: () => Storage, token: string): void {
  try {
    storage().setItem(KEY, token);
  } catch {
    // no storage: it is gone with the page
  }
}

/** The dialog that asks for a token, where the server wants to know who somebody is. */
export class SignIn {
  readonly #dialog = byId("sign-in", HTMLDialogElement);
  readonly #token = byId("sign-in-token", HTMLInputElement);

  /** signedIn is called with a token that is kept. */
  constructor(storage: () => Storage, signedIn: () => void) {
    byId("sign-in-form", HTMLFormElement).addEventListener("submit", () => {
      const token = this.#token.value.trim();
      this.#token.value = "";
      if (token === "") return;
      keepToken(storage, token);
      signedIn();
    });
  }

  /** why: the server's words. */
  open(why: string): void {
    byId("sign-in-why", HTMLElement).textContent = why;
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#token.focus();
  }
}
