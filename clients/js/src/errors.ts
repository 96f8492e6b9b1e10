/** Codes that the server answers with, by number; see ErrorCode in feed.proto. */
const serverCodes = [
  'unspecified',
  'malformed',
  'unknown-request',
  'unknown-symbol',
  'no-match',
  'unknown-channel',
  'unknown-handle',
  'too-many-subscriptions',
  'too-many-symbols',
  'too-many-requests',
  'bad-value',
  'not-entitled',
  'not-supported',
  'too-late',
] as const;

export type ServerErrorCode = (typeof serverCodes)[number];

/**
 * What the client itself finds. no-websocket: none in this environment. decode: a frame that is not
 * protobuf. unsafe-integer: a number beyond 2^53. protocol: the server broke its own rules. transport: the
 * connection failed or was refused for good. callback: a listener of yours threw. checksum: a book was not what the server has.
 */
export type LocalErrorCode = 'no-websocket' | 'bad-option' | 'decode' | 'unsafe-integer' | 'protocol' | 'transport' | 'callback' | 'checksum';

export type FeedErrorCode = ServerErrorCode | LocalErrorCode;

/** Everything that goes wrong, thrown or handed to on('error'). */
export class FeedError extends Error {
  override readonly name = 'FeedError';

  constructor(
    readonly code: FeedErrorCode,
    /** What was wrong and what would be right. */
    readonly text: string,
    /** Whether the client goes on by itself. */
    readonly retrying: boolean = false,
    options?: { cause?: unknown },
  ) {
    super(`${code}: ${text}`, options);
  }
}

/** Name of a server's code; codes of newer servers are told by number. */
export function serverErrorCode(code: number): ServerErrorCode {
  return serverCodes[code] ?? 'unspecified';
}
