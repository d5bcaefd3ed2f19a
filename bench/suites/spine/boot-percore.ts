/** A process that starts two reactors and asks one of them. */
import { createRuntime } from 'percore';
import type { BootServices } from './boot-reactor.js';

const startMs = performance.now();
const runtime = await createRuntime<{ calls: BootServices }>({
  entry: new URL('./boot-reactor.js', import.meta.url),
  reactors: 2,
});
const answer = await runtime.call('complement', 1);
const elapsedMs = performance.now() - startMs;
process.stdout.write(`${JSON.stringify({ elapsedMs, answers: answer === ~1 })}\n`);
await runtime.close();
