import { byId, make } from "./dom.ts";

/** Notices at one time; the oldest makes room. */
const MOST = 4;

/** Tells screen readers of a change of the connection; prices are never announced. */
export function announce(text: string): void {
  byId("announce", HTMLElement).textContent = text;
}

/** Shows what went wrong until the viewer takes it away; the same text is shown once. */
export function notice(text: string): void {
  const list = byId("notices", HTMLUListElement);
  if ([...list.children].some((li) => li.firstChild?.textContent === text)) return;
  const away = make("button", { type: "button", "aria-label": "Dismiss" }, "×");
  const item = make("li", { role: "alert" }, make("span", {}, text), away);
  away.addEventListener("click", () => item.remove());
  while (list.children.length >= MOST) list.firstElementChild?.remove();
  list.append(item);
}
