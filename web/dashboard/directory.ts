/** An instrument as `GET /v1/instruments` lists it. */
export interface Listed {
  symbol: string;
  description: string;
}

export interface Listing {
  instruments: Listed[];
  /** How many fit, of which the list may be a part. */
  total: number;
}

/** Asks the server which instruments fit `q`; "" fits all. `token` says who asks. Throws an Error with words for people. */
export async function listInstruments(q: string, limit: number, token?: string, signal?: AbortSignal): Promise<Listing> {
  const url = new URL("v1/instruments", document.baseURI);
  if (q !== "") url.searchParams.set("q", q);
  url.searchParams.set("limit", String(limit));
  const answer = await fetch(url, { headers: { accept: "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) }, ...(signal && { signal }) });
  if (!answer.ok) throw new Error(`the server answered ${answer.status} to ${url.pathname}`);
  return readListing(await answer.json());
}

/** Checks that an answer is a listing. */
export function readListing(answer: unknown): Listing {
  const { instruments, total } = (answer ?? {}) as { instruments?: unknown; total?: unknown };
  if (!Array.isArray(instruments)) throw new Error("the list of instruments is not one: want {\"instruments\":[…]}");
  const listed = instruments.flatMap((entry: unknown) => {
    const { symbol, description } = (entry ?? {}) as { symbol?: unknown; description?: unknown };
    return typeof symbol === "string" ? [{ symbol, description: typeof description === "string" ? description : "" }] : [];
  });
  return { instruments: listed, total: typeof total === "number" ? total : listed.length };
}
