import { fromBinary } from '@bufbuild/protobuf';
import { ServerFrameSchema } from '../../test/gen/feed/v1/feed_pb.js';
import { type Read, valueOfNumbers } from './measure.js';

/** 64-bit numbers come as bigint, and become what a page can use. */
export const read: Read = ({ bytes }) => valueOfNumbers(fromBinary(ServerFrameSchema, bytes).quotes.map(Number));
