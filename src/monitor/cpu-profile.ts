/** Where a thread spends its time, according to V8's own sampling profiler, switched on in that thread alone. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { checkName, partyOf } from '../reactor/internal.js';

export interface ProfileOptions {
  /** How long to sample: 1 to 600,000, default 1,000. */
  readonly ms?: number;
  /** Where the file is written. Default: the working directory. */
  readonly folder?: string;
  /** The time between two samples: 50 to 1,000,000 microseconds, default 1,000. */
  readonly intervalUs?: number;
}

const NAME = /^[\w.-]+$/;
/** V8 has one profiler for each thread. */
let isRunning = false;

/**
 * Takes a CPU profile of this thread for `ms`, and promises the path of `<folder>/<name>.cpuprofile`, which the
 * developer tools of Chrome and editors can open. The thread goes on; sampling costs it a few per cent. `name` consists
 * of letters, digits, `_`, `.` and `-`. Rejects with ERR_PERCORE_INVALID_ARGUMENT, or with ERR_PERCORE_SYSTEM if the
 * thread is already taking a profile, or the file cannot be written.
 *
 *     const path = await cpuProfile(reactor, 'orders', { ms: 2000 });
 */
export async function cpuProfile(of: Reactor | Runtime, name: string, options: ProfileOptions = {}): Promise<string> {
  partyOf(of);
  checkName('name', name);
  if (!NAME.test(name)) throw invalidArgument('name', name, 'letters, digits, "_", "." and "-": it names a file');
  const { ms = 1000, folder = '.', intervalUs = 1000 } = checkOptions(
    'options', options, ['ms', 'folder', 'intervalUs'],
  );
  checkInteger('options.ms', ms, 1, 600_000);
  checkInteger('options.intervalUs', intervalUs, 50, 1_000_000);
  if (typeof folder !== 'string' || folder === '') throw invalidArgument('options.folder', folder, 'a path');
  if (isRunning) throw new PercoreError('ERR_PERCORE_SYSTEM', 'this thread is already taking a profile: wait for it');
  isRunning = true;
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  const path = join(folder, `${name}.cpuprofile`);
  try {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: intervalUs });
    await session.post('Profiler.start');
    await new Promise((resolve) => setTimeout(resolve, ms));
    const { profile } = await session.post('Profiler.stop');
    await writeFile(path, JSON.stringify(profile));
  } catch (cause) {
    const { code = 'UNKNOWN', message } = cause as NodeJS.ErrnoException;
    throw new PercoreError(
      'ERR_PERCORE_SYSTEM', `no profile could be taken: ${message}`,
      { argument: 'name', value: name, errno: code, cause },
    );
  } finally {
    session.disconnect();
    isRunning = false;
  }
  return path;
}
