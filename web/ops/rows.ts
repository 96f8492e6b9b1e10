import { make } from "../ui/dom.ts";

/** What a row of a table is, told apart from others by its key. */
export interface Row {
  key: string;
  cells: (Node | string)[];
  tone?: "warn" | "bad" | "soft";
}

/**
 * Fills a table's body with rows. Rows that stay keep their elements, so that the keyboard's place, a selection or a hovered
 * button survives a look at the server.
 */
export function fill(table: HTMLTableElement, rows: readonly Row[], empty: string): void {
  const body = table.tBodies[0]!;
  const there = new Map([...body.rows].map((row) => [row.dataset["key"] ?? "", row]));
  const wanted = rows.map(({ key, cells, tone }) => {
    const row = there.get(key) ?? make("tr", { "data-key": key });
    row.dataset["tone"] = tone ?? "";
    cells.forEach((cell, i) => {
      const td = row.cells[i] ?? row.insertCell();
      if (typeof cell === "string" ? td.textContent !== cell || td.firstElementChild !== null : !td.firstChild?.isEqualNode(cell)) td.replaceChildren(cell);
    });
    while (row.cells.length > cells.length) row.deleteCell(-1);
    return row;
  });
  if (wanted.length === 0) wanted.push(make("tr", { "data-key": "" }, make("td", { class: "note", colspan: "12" }, empty)));
  wanted.forEach((row, i) => {
    if (body.rows[i] !== row) body.insertBefore(row, body.rows[i] ?? null);
  });
  while (body.rows.length > wanted.length) body.deleteRow(-1);
}

/** A share of a whole as a bar. */
export function bar(share: number): HTMLElement {
  const inner = make("span", { class: "bar" });
  inner.style.setProperty("--share", String(Math.round(share * 1000) / 1000));
  return inner;
}
