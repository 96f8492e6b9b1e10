import { expect, test } from "vitest";
import { Frame } from "../ui/frame.ts";

test("of several wishes for a frame the earliest counts", async () => {
  let drawn = 0;
  const asked: FrameRequestCallback[] = [];
  const before = globalThis.requestAnimationFrame;
  globalThis.requestAnimationFrame = (fn) => asked.push(fn);
  try {
    const frame = new Frame();
    frame.add(() => drawn++);
    frame.requestIn(60_000);
    frame.requestIn(1);
    frame.requestIn(30_000);
    await new Promise((done) => setTimeout(done, 20));
    while (asked.length === 0) await new Promise((done) => setTimeout(done, 5));
    asked.splice(0).forEach((fn) => fn(1));
    expect(drawn).toBe(1);
  } finally {
    globalThis.requestAnimationFrame = before;
  }
});
