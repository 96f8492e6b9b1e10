/** Where a server has WebTransport, as its welcome tells. */
import { BYTES, type Type, each, maybe, message, string, uint32 } from '../wire/fields.js';
import { Reader } from '../wire/reader.js';

export interface Offer {
  readonly url: string;
  /** SHA-256, of a certificate that nobody vouches for; none: one that the browser trusts. */
  readonly hashes: readonly Uint8Array<ArrayBuffer>[];
}

interface Told {
  url: string;
  port: number;
  hashes: Uint8Array<ArrayBuffer>[];
}

/** What the first message of a connection to `url` tells, if that is a welcome that tells of WebTransport. */
export function offerIn(frame: Uint8Array, url: string): Offer | undefined {
  const hash: Type<Uint8Array<ArrayBuffer>> = {
    wire: BYTES,
    zero: () => new Uint8Array(),
    read: (r) => {
      const outer = r.enter();
      const bytes = frame.slice(r.pos, r.end);
      r.leave(outer);
      return bytes;
    },
  };
  const told = message<Told>({ url: [1, string], port: [2, uint32], hashes: [3, each(hash)] });
  const welcome = message<{ told: Told | undefined }>({ told: [8, maybe(told)] });
  const first = message<{ welcome: { told: Told | undefined } | undefined }>({ welcome: [17, maybe(welcome)] });
  try {
    const offer = first.body(new Reader(frame), first.zero()).welcome?.told;
    return offer && { url: offer.url || at(url, offer.port), hashes: offer.hashes };
  } catch {
    return undefined; // the connection looks at it too, and says what is wrong
  }
}

/** At a port of the host that the client has come to. */
function at(url: string, port: number): string {
  const address = new URL(url, globalThis.location?.href);
  return `https://${address.hostname}:${port}/v1/webtransport`;
}
