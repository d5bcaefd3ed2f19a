// Measures what each test file costs: the CPU of its process, and of the processes for which that has waited. Wall time
// says little on a machine that also does other things. test-reporter.mjs reads the figures.
import { readFileSync } from 'node:fs';
import { afterAll } from 'vitest';

const USED = Symbol.for('percore.test-cost');
/** Several files of one process come one after the other. The start of the process counts for the first one. */
const beforeMs = globalThis[USED] ?? 0;

// Vitest reads the names of fixtures from the first parameter, and none is needed.
// oxlint-disable-next-line no-empty-pattern
afterAll(({}, file) => {
  const afterMs = usedMs();
  file.meta.cpuMs = afterMs - beforeMs;
  globalThis[USED] = afterMs;
});

function usedMs() {
  const { user, system } = process.cpuUsage();
  const stat = readFileSync('/proc/self/stat', 'utf8');
  // Fields 16 and 17, in hundredths of a second. The second field is a name that may have blanks.
  const [ofChildren, inKernel] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(13, 15).map(Number);
  return (user + system) / 1000 + (ofChildren + inKernel) * 10;
}
