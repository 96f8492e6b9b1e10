import { fromBinary } from '@bufbuild/protobuf';
import { ServerFrameSchema } from '../../test/gen/feed/v1/feed_pb.js';
import type { Read } from './measure.js';

/** 64-bit numbers come as bigint, and become what a page can use. */
export const read: Read = ({ bytes }) => {
  let sum = 0;
  for (const q of fromBinary(ServerFrameSchema, bytes).quotes) sum += q.handle + Number(q.bid) + Number(q.bidSize) + Number(q.ask) + Number(q.askSize) + q.ageMs;
  return sum;
};
