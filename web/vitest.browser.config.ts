import { defineConfig } from "vitest/config";
import { client } from "./vitest.config.ts";

export default defineConfig({
  resolve: { alias: client },
  test: {
    include: ["e2e/**/*.test.ts"],
    // A browser and a server on few cores: one file at a time, and patience, which costs only when something is broken.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } }, // one second unless it is said
  },
});
