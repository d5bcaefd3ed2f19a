import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { addonPackage } from './addon-package.js';
import { layoutHash } from './layout-hash.js';
import { native, type Native } from './native.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const addon = join(root, 'native', 'build', 'Release', 'percore.node');
const platformPackage = addonPackage()!;
const scratch = mkdtempSync(join(tmpdir(), 'percore-native-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/**
 * Loads the addon in a process of its own, from a copy of the compiled files that has no addon beside it. The copy
 * looks like an installed package, or like a bundle if `name` is another one.
 */
function load(
  path: string | undefined, cwd = scratch, name = 'percore',
): { code?: string; message?: string; value?: string; allowed?: string; cpus?: number } {
  const home = join(scratch, 'copy');
  const needed = readdirSync(join(root, 'dist', 'modules'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /^(?:(?:native|addon-package|errors|byte-views|errno|layout[a-z-]*)\.js|portable\/[a-z-]*\.js)$/.test(name),
  );
  for (const file of needed) cpSync(join(root, 'dist', 'modules', file), join(home, 'dist', 'src', file));
  writeFileSync(join(home, 'package.json'), JSON.stringify({ name, type: 'module' }));
  const script = `import { native } from ${JSON.stringify(join(home, 'dist', 'src', 'native.js'))};
    try { console.log(JSON.stringify({ cpus: native().threads.getAffinity().length })); }
    catch (error) {
      const { code, message, value, allowed } = error;
      console.log(JSON.stringify({ code, message, value, allowed }));
    }`;
  // The portable backend must not take the addon's place here.
  const environment: NodeJS.ProcessEnv = { ...process.env, PERCORE_BACKEND: 'native' };
  delete environment['PERCORE_NATIVE_PATH'];
  if (path !== undefined) environment['PERCORE_NATIVE_PATH'] = path;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8', env: environment, cwd,
  });
  expect(result.stderr).toBe('');
  expect(result.status, 'a missing addon is an error, not a crash').toBe(0);
  return JSON.parse(result.stdout) as ReturnType<typeof load>;
}
const beside = join(scratch, 'copy', 'native', 'build', 'Release', 'percore.node');

/**
 * What each group must have. The compiler refuses names that the interface lacks, and the test refuses differences from
 * the addon.
 */
const GROUPS: {
  readonly [G in Exclude<keyof Native, 'layoutHash'>]-?: readonly Exclude<keyof NonNullable<Native[G]>, 'knock'>[];
} = {
  clock: ['nowNs', 'create'],
  system: ['errorName', 'freshPages', 'callNs'],
  threads: [
    'id', 'scheduled', 'setName', 'getAffinity', 'setAffinity', 'getAffinityOf', 'setAffinityOf',
    'getTimerSlack', 'setTimerSlack', 'exactSleep', 'setChildPlace', 'isLoopAlive',
  ],
  wakers: ['create', 'wake', 'close'],
  turns: ['create', 'next', 'stop', 'setReferenced', 'drainTimers', 'shareTimers', 'openSource'],
  wheels: ['create', 'drain', 'share', 'poll', 'next', 'setReferenced', 'close'],
  alarms: ['create', 'arm', 'setReferenced', 'close'],
  sources: ['add', 'modify', 'remove', 'open', 'detach', 'send', 'drain', 'probe'],
  drivers: ['create', 'poll', 'setReferenced', 'close'],
  descriptors: ['close', 'own', 'disown', 'adopt', 'openFifo', 'openStandardInput', 'way', 'read', 'write', 'end'],
  sockets: ['ownStream', 'cookie', 'take', 'error', 'peerName', 'buffer'],
  tcp: ['listen', 'connect', 'bind', 'closeUntaken', 'shed'],
  unix: ['listen', 'connect', 'openDatagram'],
  datagrams: [
    'open', 'createReceiver', 'createSender', 'receive', 'send', 'hold', 'keep', 'keepAddress', 'addressOf', 'drops',
  ],
  files: [
    'openRing', 'closeRing', 'holdBuffer', 'releaseBuffer', 'push', 'submit', 'reap', 'bytesToBorder', 'clearDirect',
  ],
  watches: ['open', 'add', 'remove'],
  pipes: [
    'create', 'makeFifo', 'openEnd', 'read', 'write', 'space', 'reopen', 'watch', 'closeEnd', 'closeUnopenedEnd',
    'inspect',
  ],
  realtime: [
    'setPolicy', 'getPolicy', 'lockMemory', 'unlockMemory', 'prefault', 'residentBytes', 'prefaultStack',
    'adviseHugePages',
  ],
  stalls: ['create', 'join', 'set', 'close'],
  halts: ['watch', 'unwatch', 'between'],
  collections: ['open', 'close'],
  mappings: [
    'map', 'allocate', 'link', 'lock', 'hold', 'letGo', 'isHeld', 'isWhole', 'descriptor', 'noteHeaders', 'wake',
    'wait', 'open', 'waitLater', 'watchProcess', 'forgetProcess', 'hasExited',
  ],
  traces: [
    'create', 'addCpu', 'close', 'follow', 'drop', 'setBound', 'round', 'watch', 'takeRounds', 'arm', 'unwatch',
    'roundAt', 'count', 'mappedCount', 'nameOf', 'figure',
  ],
};

describe('the addon', () => {
  it('has the groups of functions that src/native/ asks for, and nothing else', () => {
    const { layoutHash: _hash, ...groups } = native();
    const given = Object.fromEntries(
      Object.entries(groups).map(([name, group]) => [name, Object.keys(group).toSorted()]),
    );
    expect(given).toEqual(
      Object.fromEntries(Object.entries(GROUPS).map(([name, names]) => [name, [...names].toSorted()])),
    );
    for (const group of Object.values(groups))
      for (const callable of Object.values(group)) expect(callable).toBeTypeOf('function');
  });

  it('is loaded once in each thread', () => {
    expect(native()).toBe(native());
    expect(native().layoutHash).toBe(layoutHash());
  });

  it('does not crash the process when a thread is terminated while it loads the addon', () => {
    // The thread says when it begins to load, so that over 60 runs terminate() meets every part of that.
    const script = `
      import { Worker } from 'node:worker_threads';
      const begun = new Int32Array(new SharedArrayBuffer(4));
      const source = new URL('data:text/javascript,' + encodeURIComponent(\`
        import { createRequire } from 'node:module';
        import { workerData } from 'node:worker_threads';
        const require = createRequire(${JSON.stringify(addon)});
        Atomics.store(workerData, 0, 1);
        require(${JSON.stringify(addon)});\`));
      for (let i = 0; i < 60; i++) {
        Atomics.store(begun, 0, 0);
        const worker = new Worker(source, { workerData: begun });
        const ended = new Promise((resolve) => worker.once('exit', resolve));
        while (Atomics.load(begun, 0) === 0) await new Promise(setImmediate);
        const until = performance.now() + (i % 20) * 0.05;
        while (performance.now() < until);
        worker.terminate();
        await ended;
      }
      console.log('whole');`;
    const { stdout, stderr, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect({ stdout, stderr, signal }).toEqual({ stdout: 'whole\n', stderr: '', signal: null });
  });

  it('names the missing option if Node may not load addons', () => {
    const script = `import { native } from ${JSON.stringify(new URL('./native.js', import.meta.url).href)}; try { `
      + `native(); } catch (error) { console.log(error.code, error.message); }`;
    const { stdout } = spawnSync(process.execPath, ['--no-addons', '--input-type=module', '-e', script], {
      encoding: 'utf8', env: { ...process.env, PERCORE_BACKEND: 'native' },
    });
    expect(stdout).toMatch(
      /^ERR_PERCORE_NATIVE_UNAVAILABLE .*This process may not load addons: start Node with .*\. Tried:/,
    );
  });

  it('is loaded from PERCORE_NATIVE_PATH', () => {
    expect(load(addon).cpus).toBe(native().threads.getAffinity().length);
  });

  it('if missing, is an error with each place that was tried, the Node version and the fix', () => {
    const { code, message } = load(undefined);
    expect(code).toBe('ERR_PERCORE_NATIVE_UNAVAILABLE');
    const remedy =
      `It comes with the package ${platformPackage}, which is optional to npm: install it ("npm install `
        + `${platformPackage}"), and look whether --omit=optional or a lock file of another platform has left it out`;
    expect(message).toBe(
      `the native addon could not be loaded on ${process.platform}-${process.arch}, Node ${process.version}. `
        + `${remedy}. Tried:\n  ${beside}: no such file\n  ${platformPackage}: not installed`,
    );
  });

  it('is found in the package of its platform that is installed beside percore', () => {
    const folder = join(scratch, 'copy', 'node_modules', platformPackage);
    cpSync(addon, join(folder, 'percore.node'));
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: platformPackage, main: 'percore.node' }));
    try {
      expect(load(undefined).cpus).toBe(native().threads.getAffinity().length);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('if missing beside a bundle, is an error that says that an addon cannot be bundled', () => {
    expect(load(undefined, scratch, 'an-application').message).toMatch(
      /part of a bundle, into which no addon goes: leave percore out of .* \(esbuild: --external:percore\), or set /,
    );
  });

  it('is found by a relative PERCORE_NATIVE_PATH, from the current folder or from that of the code', () => {
    expect(load('native/build/Release/percore.node', root).cpus).toBe(native().threads.getAffinity().length);
    cpSync(addon, join(scratch, 'copy', 'dist', 'src', 'addons', 'percore.node'));
    expect(load('./addons/percore.node', tmpdir()).cpus).toBe(native().threads.getAffinity().length);
  });

  it('if missing where PERCORE_NATIVE_PATH points, is looked for in its usual place too; both are named', () => {
    const { code, message } = load('/nowhere/percore.node');
    expect(code).toBe('ERR_PERCORE_NATIVE_UNAVAILABLE');
    expect(message!.split('\n').slice(1)).toEqual([
      '  /nowhere/percore.node: no such file', `  ${beside}: no such file`, `  ${platformPackage}: not installed`,
    ]);
  });

  it('if it cannot be loaded, is an error that says why', () => {
    const broken = join(scratch, 'broken.node');
    writeFileSync(broken, 'not a shared object');
    const { code, message } = load(broken);
    expect(code).toBe('ERR_PERCORE_NATIVE_UNAVAILABLE');
    expect(message).toMatch(/broken\.node: .*(invalid ELF header|file too short)/);
  });

  it('if built for another layout, is ERR_PERCORE_LAYOUT_MISMATCH with both hashes and the fix', () => {
    // The real addon, but with other digits in the place of its hash.
    const ours = layoutHash();
    const theirs = 'f0e1d2c3b4a59687';
    const binary = readFileSync(addon);
    const at = binary.indexOf(ours);
    expect(at, 'the hash stands in the binary').toBeGreaterThan(0);
    expect(binary.indexOf(ours, at + 1), 'once').toBe(-1);
    binary.write(theirs, at, 'latin1');
    const other = join(scratch, 'other', 'percore.node');
    mkdirSync(dirname(other), { recursive: true });
    writeFileSync(other, binary);
    expect(load(other)).toEqual({
      code: 'ERR_PERCORE_LAYOUT_MISMATCH',
      message: `${other} was built for layout ${theirs}, this build of percore has ${ours}. Run "npm run build" in `
        + `a checkout to build both together; where it is installed, install both packages anew`,
      value: theirs, allowed: ours,
    });
  });
});
