/** The element with this id; a page without it was built wrong, so it throws. */
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} with id ${id}`);
  return found;
}

type Attributes = Record<string, string | boolean>;

/** A new element; a true attribute is set empty, a false one left out. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const out = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) out.setAttribute(name, value === true ? "" : value);
  }
  out.append(...children);
  return out;
}

/**
 * A text node that is written only when its text changed. Comparing with what is on the screen costs
 * nothing; a needless write costs a layout.
 */
export class TextCell {
  readonly node = document.createTextNode("");

  /** Takes the place of what `parent` holds; without one, the node is for the caller to put somewhere. */
  constructor(parent?: HTMLElement) {
    parent?.replaceChildren(this.node);
  }

  get text(): string {
    return this.node.data;
  }

  /** Returns whether the text changed. */
  set(text: string): boolean {
    if (this.#last === text) return false;
    this.#last = text;
    this.node.data = text;
    return true;
  }

  #last = "";
}

/** Sets an attribute only when it differs. */
export function setAttribute(on: Element, name: string, value: string): void {
  if (on.getAttribute(name) !== value) on.setAttribute(name, value);
}
