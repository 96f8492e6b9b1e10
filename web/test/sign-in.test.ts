import { expect, test } from "vitest";
import { tokenInFragment } from "../dashboard/sign-in.ts";

test.each([
  ["", undefined], ["#", undefined], ["#token=", undefined], ["#other=1", undefined], ["#token=a.b.c", "a.b.c"], ["#x=1&token=a%2Bb", "a+b"],
])("the fragment %j holds the token %j", (hash, want) => expect(tokenInFragment(hash)).toBe(want));
