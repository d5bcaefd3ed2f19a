/**
 * `http-percore.js`: one reactor on the first CPU that it may use. Prints its port as JSON, and ends when its stdin
 * ends.
 */
import { cpuBudget, createRuntime } from 'percore';
import type { HttpServices } from './http-reactor.js';

const runtime = await createRuntime<{ calls: HttpServices }>({
  entry: new URL('./http-reactor.js', import.meta.url), reactors: 1, pin: [cpuBudget().allowed[0]],
});
runtime.on('stepError', ({ error, where }) => {
  process.stderr.write(`${where}: ${error.stack}\n`);
  process.exitCode = 1;
});
process.stdout.write(`${JSON.stringify({ port: await runtime.call('listen', null) })}\n`);
process.stdin.resume().on('end', () => void runtime.close());
