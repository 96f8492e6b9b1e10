/** Colours of the style sheet as they are now, for what is drawn on a canvas. */
export type Colours<K extends string> = Record<K, string>;

/** Reads custom properties by name. `beside` says where on the page they are meant. */
export function readColours<K extends string>(beside: Element, names: readonly K[]): Colours<K> {
  // A custom property keeps light-dark() unresolved; a real property of an element gives the colour.
  const probe = document.createElement("i");
  beside.append(probe);
  const colours = {} as Colours<K>;
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}

/** An "rgb(…)" colour that lets so much of what is behind it through. */
export function translucent(rgb: string, alpha: number): string {
  return rgb.replace(/^rgba?\(([^,]+),([^,]+),([^,)]+).*$/, `rgba($1,$2,$3, ${alpha})`);
}
