// Stores the code that this Node compiles of dist/packed, unless that was stored before. The threads and processes that
// tests start begin with it: see load-packed.cjs.
//
// V8 compiles a function when it is first called, and stores what it has compiled by then. So what is stored is that of
// a reactor (used-code.mjs) that has done what nearly every test does. A runtime of two reactors then takes nine tenths
// of the CPU that it takes with what V8 has compiled when the script has just run.
import { createRequire } from 'node:module';

const { percoreModule } = createRequire(import.meta.url)('../../dist/packed/load.cjs');
if (percoreModule.code !== 'kept') {
  const { createRuntime } = await import('../../dist/src/reactor/runtime.js');
  const entry = new URL('used-code.mjs', import.meta.url);
  const runtime = await createRuntime({ entry, reactors: 1, startTimeoutMs: 300_000 });
  await runtime.call('use');
  await runtime.call('keep');
  await runtime.close();
}
