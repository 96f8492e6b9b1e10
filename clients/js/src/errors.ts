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
  'unauthenticated',
] as const;

export type ServerErrorCode = (typeof serverCodes)[number];

/**
 * What the client itself finds. no-websocket: none in this environment. bad-option: an argument of yours. unreachable: no
 * connection could be made. transport: a connection ended, or was refused for good. token: getToken failed. decode: a frame that is not protobuf. unsafe-integer: a number beyond 2^53.
 * protocol: the server broke its own rules. checksum: a book was not what the server has. stalled: rows stopped
 * though the market moves. callback: a listener of yours threw.
 */
export type LocalErrorCode =
  | 'no-websocket'
  | 'bad-option'
  | 'unreachable'
  | 'transport'
  | 'token'
  | 'decode'
  | 'unsafe-integer'
  | 'protocol'
  | 'checksum'
  | 'stalled'
  | 'callback';

export type FeedErrorCode = ServerErrorCode | LocalErrorCode;

/** What to do where the text does not say so by itself. */
const advice: { readonly [C in FeedErrorCode]?: string } = {
  'no-websocket': 'use Node 22 or later, or npm install ws and pass createClient({ url, WebSocket }) the WebSocket of that package',
  unreachable: 'check the address, the network, and that the server allows the origin of this page',
  token: 'see the cause: getToken threw',
  unauthenticated: 'sign in, then connect()',
  'unknown-symbol': 'look symbols up at /v1/instruments?q=',
  'no-match': 'nothing: what comes to fit will join',
  'too-many-subscriptions': 'close stores that nobody looks at',
  'not-entitled': 'ask the operator for access',
  'not-supported': 'leave it out, or update the server',
  callback: 'mend the listener; see the cause',
};

/** Everything that goes wrong, thrown or handed to on('error'). */
export class FeedError extends Error {
  override readonly name = 'FeedError';

  constructor(
    readonly code: FeedErrorCode,
    /** What was wrong, and what would be right. */
    readonly text: string,
    /** Whether the client goes on by itself. */
    readonly retrying: boolean = false,
    options?: { cause?: unknown },
  ) {
    super(`${code}: ${text}`, options);
  }

  /** What to do. */
  get advice(): string {
    return advice[this.code] ?? (this.retrying ? 'nothing: the client goes on by itself' : 'mend what the text names');
  }
}

/** Name of a server's code; codes of newer servers are told by number. */
export function serverErrorCode(code: number): ServerErrorCode {
  return serverCodes[code] ?? 'unspecified';
}
