/**
 * Messages as tables of fields. Fields and enum values that a table does not know are passed over, so servers
 * may grow.
 */

import { FeedError } from '../errors.js';
import type { Reader } from './reader.js';

/** Every list that has nothing in it, so that a frame costs no more for the lists that it lacks. */
export const EMPTY: never[] = [];

export type Read<T> = (r: Reader, before: T) => T;

/** A type of field: its wire type, what it is when absent, and how it is read, given what came before. */
export interface Type<T> {
  readonly wire: number;
  zero(): T;
  readonly read: Read<T>;
  /** A packed list also comes number by number. */
  readonly unpacked?: Read<T>;
  /** The field comes again for each of its elements. */
  readonly repeated?: boolean;
}

// Wire types, to stand in tags.
export const VARINT = 0;
const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

/** Numbers in varints. */
const varint = <T>(read: (r: Reader) => T, zero = 0 as T): Type<T> => ({ wire: VARINT, zero: () => zero, read });

export const uint32 = /* @__PURE__ */ varint((r) => r.uint32());
export const sint32 = /* @__PURE__ */ varint((r) => r.sint32());
export const enumeration = /* @__PURE__ */ varint((r) => r.int32());
export const uint64 = /* @__PURE__ */ varint((r) => r.uint64());
export const int64 = /* @__PURE__ */ varint((r) => r.int64());
export const sint64 = /* @__PURE__ */ varint((r) => r.sint64());
export const wide = /* @__PURE__ */ varint<number | bigint>((r) => r.wideUint64());
export const bool = /* @__PURE__ */ varint((r) => r.bool(), false);
/** A uint32 whose absence means something else than 0: -1. */
export const optional = /* @__PURE__ */ varint((r) => r.uint32(), -1);
export const fixed64: Type<number> = { wire: FIXED64, zero: () => 0, read: (r) => r.fixed64() };
export const string: Type<string> = { wire: BYTES, zero: () => '', read: (r) => r.string() };
export const uint32s: Type<number[]> = {
  wire: BYTES,
  zero: () => EMPTY,
  read: (r, list) => list.concat(r.uint32s()),
  unpacked: (r, list) => list.concat(r.uint32()),
};

/** A repeated message. */
export function each<M>({ read, zero }: Type<M>): Type<M[]> {
  const add = (r: Reader, before: M[]) => {
    const list = before === EMPTY ? [] : before;
    list.push(read(r, zero()));
    return list;
  };
  return { wire: BYTES, zero: () => EMPTY, read: add, repeated: true };
}

/** A message that may be absent; one that comes in pieces is put together. */
export function maybe<M>(type: Type<M>): Type<M | undefined> {
  return { wire: BYTES, zero: () => undefined, read: (r, before) => type.read(r, before ?? type.zero()) };
}

/** Number and type of each field by name. */
export type Fields<M> = { readonly [K in keyof M]-?: readonly [number: number, type: Type<M[K]>] };

/** A message by its fields. Others, and ones of another wire type, are passed over. */
export function message<M extends object>(fields: Fields<M>): Type<M> & { body: Read<M> } {
  const names = Object.keys(fields) as Array<keyof M>;
  const byTag = new Map<number, { name: keyof M; read: Read<any>; repeated: boolean }>();
  for (const name of names) {
    const [number, { wire, read, unpacked, repeated = false }] = fields[name];
    byTag.set((number << 3) | wire, { name, read, repeated });
    if (unpacked !== undefined) byTag.set((number << 3) | VARINT, { name, read: unpacked, repeated });
  }
  /** Up to the end of what is being read. */
  const body = (r: Reader, m: M) => {
    while (r.pos < r.end) {
      const tag = r.tag();
      const field = byTag.get(tag);
      if (field === undefined) {
        r.skip(tag);
        continue;
      }
      const { name, read } = field;
      let value = read(r, m[name]);
      if (field.repeated) while (r.next(tag)) value = read(r, value); // a list comes in one piece
      m[name] = value;
    }
    return m;
  };
  const read = (r: Reader, m: M) => {
    const outer = r.enter();
    body(r, m);
    r.leave(outer);
    return m;
  };
  // Copied, which is far cheaper than to make it anew. Nothing in it is changed: lists are replaced by the first that is read.
  const empty = Object.fromEntries(names.map((name) => [name, fields[name][1].zero()])) as M;
  return { wire: BYTES, zero: () => ({ ...empty }), read, body };
}

/** A row. A number beyond 2^53 marks it, since the other rows of its frame are none the worse for it. */
export function row<M extends { unsafe: boolean }>(zero: () => M, fields: (r: Reader, row: M) => void): Type<M> {
  const read = (r: Reader, m: M) => {
    const outer = r.enter();
    const { end } = r;
    try {
      fields(r, m);
    } catch (e) {
      if (!(e instanceof FeedError && e.code === 'unsafe-integer')) throw e;
      m.unsafe = true;
      r.end = end; // it may have been thrown inside a list
    }
    r.leave(outer);
    return m;
  };
  return { wire: BYTES, zero, read };
}

/** A row by its fields. */
export function rowOf<M extends { unsafe: boolean }>(fields: Fields<Omit<M, 'unsafe'>>): Type<M> {
  const { zero, body } = message(fields);
  return row(
    () => ({ ...zero(), unsafe: false }) as M,
    (r, m) => void body(r, m),
  );
}
