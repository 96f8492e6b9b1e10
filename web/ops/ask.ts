import { byId, make } from "../ui/dom.ts";
import { type DiffLine } from "./diff.ts";

/** What is asked before something is done that others feel. */
export interface Question {
  title: string;
  text: string;
  yes: string;
  diff?: readonly DiffLine[];
}

/** Asks, and returns the reason; undefined: it is not to be done. */
export function ask({ title, text, yes, diff }: Question): Promise<string | undefined> {
  const dialog = byId("ask", HTMLDialogElement);
  const reason = byId("ask-reason", HTMLInputElement);
  byId("ask-title", HTMLElement).textContent = title;
  byId("ask-text", HTMLElement).textContent = text;
  byId("ask-yes", HTMLButtonElement).textContent = yes;
  showDiff(byId("ask-diff", HTMLElement), diff);
  reason.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    byId("ask-no", HTMLButtonElement).onclick = () => dialog.close();
    dialog.onclose = () => resolve(dialog.returnValue === "" ? undefined : reason.value);
  });
}

function showDiff(at: HTMLElement, diff: readonly DiffLine[] | undefined): void {
  at.hidden = diff === undefined;
  const mark = { same: " ", added: "+", removed: "−" };
  at.replaceChildren(...(diff ?? []).map((line) => make("span", { "data-kind": line.kind }, `${mark[line.kind]} ${line.text}\n`)));
}
