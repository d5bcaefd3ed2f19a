// Keeps what this Node has compiled of dist/packed, unless that is kept already: the threads and processes that tests
// start begin with it, see load-packed.cjs.
import { createRequire } from 'node:module';

const { percoreModule } = createRequire(import.meta.url)('../../dist/packed/load.cjs');
if (percoreModule.code !== 'kept') percoreModule.keep();
