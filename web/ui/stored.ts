/** Reads an object that was kept under `key`. What is missing, foreign or forbidden by the browser reads as empty. */
export function readStored(storage: () => Storage, key: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(storage().getItem(key) ?? "{}");
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {}; // storage that is switched off or holds something else: as on a first visit
  }
}

/** Keeps an object; false: the browser refused, and it is forgotten when the page closes. */
export function writeStored(storage: () => Storage, key: string, value: object): boolean {
  try {
    storage().setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** The value if it is one of those allowed, else the first of them. */
export function oneOf<T extends string>(allowed: readonly T[], value: unknown): T {
  return allowed.find((v) => v === value) ?? allowed[0]!;
}
