/** One line of a comparison. */
export interface DiffLine {
  kind: "same" | "added" | "removed";
  text: string;
}

/** Lines that are compared at most; policies are shorter. */
const MOST = 2000;

/** How one text becomes another, line by line: a longest common subsequence, with what is removed ahead of what is added. */
export function diff(before: string, after: string): DiffLine[] {
  const a = before.split("\n").slice(0, MOST);
  const b = after.split("\n").slice(0, MOST);
  // lengths[i][j]: of the longest common subsequence of what is left from i and from j on.
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] = a[i] === b[j] ? lengths[(i + 1) * width + j + 1]! + 1 : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
    }
  }
  const out: DiffLine[] = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ kind: "same", text: a[i]! });
      i++, j++;
    } else if (i < a.length && (j === b.length || lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)) out.push({ kind: "removed", text: a[i++]! });
    else out.push({ kind: "added", text: b[j++]! });
  }
  return out;
}

/** The changed lines with `around` unchanged ones on each side, and "…" for those left out. */
export function hunks(lines: readonly DiffLine[], around = 2): DiffLine[] {
  const near = lines.map((_, i) => lines.slice(Math.max(0, i - around), i + around + 1).some((l) => l.kind !== "same"));
  const out: DiffLine[] = [];
  lines.forEach((line, i) => {
    if (near[i]) out.push(line);
    else if (i > 0 && near[i - 1] && near.slice(i).includes(true)) out.push({ kind: "same", text: "…" });
  });
  return out;
}
