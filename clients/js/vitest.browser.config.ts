import { defineConfig } from 'vitest/config';

// A browser and a server on few cores: one file at a time, and patience, which costs only when something is broken.
export default defineConfig({ test: { include: ['test/browser/*.test.ts'], fileParallelism: false, testTimeout: 60_000, hookTimeout: 120_000, expect: { poll: { timeout: 20_000 } } } });
