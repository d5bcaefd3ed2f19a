// Stores the code that this Node compiles of dist/packed, unless that was stored before. The threads and processes that
// tests start begin with it: see load-packed.cjs.
import { createRequire } from 'node:module';

const { percoreModule } = createRequire(import.meta.url)('../../dist/packed/load.cjs');
if (percoreModule.code !== 'kept') percoreModule.keep();
