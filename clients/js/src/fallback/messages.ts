/** Messages on a stream of bytes: each behind its length, and the last one says why it ends. */

/** Largest message that is believed; servers agree to less. */
const MAX_MESSAGE = 1 << 20;
/** First bytes of a message that holds a Close, field 29, and nothing else. */
const CLOSE = [0xea, 0x01] as const;
/** What ended without a word. */
export const NO_CODE = 1006;

/** Takes apart what is laid end to end, each message behind its length. */
export class Delimited {
  #rest = new Uint8Array(0);

  /** The messages that are whole now. Throws for a length that nobody means. */
  push(chunk: Uint8Array): Uint8Array[] {
    let all = chunk;
    if (this.#rest.length > 0) {
      all = new Uint8Array(this.#rest.length + chunk.length);
      all.set(this.#rest);
      all.set(chunk, this.#rest.length);
    }
    const messages: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      const [length, from] = readVarint(all, at);
      if (length > MAX_MESSAGE) throw new Error(`a message of ${length} bytes; want messages behind their lengths, as feedd sends them`);
      if (from === 0 || from + length > all.length) break;
      messages.push(all.subarray(from, (at = from + length)));
    }
    this.#rest = all.slice(at);
    return messages;
  }
}

/** A length, as it stands ahead of a message. */
export function varint(n: number): Uint8Array {
  const bytes: number[] = [];
  for (; n > 0x7f; n >>>= 7) bytes.push((n & 0x7f) | 0x80);
  return Uint8Array.from([...bytes, n]);
}

/** A number and where it ends; an end of 0: it is not whole. */
function readVarint(bytes: Uint8Array, from: number): [n: number, end: number] {
  let n = 0;
  for (let at = from; at < bytes.length && at < from + 5; at++) {
    n += (bytes[at]! & 0x7f) * 2 ** (7 * (at - from));
    if (bytes[at]! < 0x80) return [n, at + 1];
  }
  return [bytes.length < from + 5 ? 0 : Infinity, 0];
}

/** Code and reason of a message that holds nothing but a Close, whose field 1 is the code and field 2 the reason; undefined for another one. */
export function closeOf(message: Uint8Array): [code: number, reason: string] | undefined {
  if (message[0] !== CLOSE[0] || message[1] !== CLOSE[1]) return undefined;
  let code = NO_CODE;
  let reason = '';
  let [, at] = readVarint(message, CLOSE.length);
  while (at > 0 && at < message.length) {
    const tag = message[at]!;
    const [n, end] = readVarint(message, at + 1);
    if (tag === 8) code = n;
    else if (tag === 18) reason = new TextDecoder().decode(message.subarray(end, end + n));
    else break;
    at = tag === 8 ? end : end + n;
  }
  return [code, reason];
}
