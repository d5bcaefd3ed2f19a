// Loads THE_SCRIPT, which contains a large part of the package, once in each thread, whatever is imported there.
//
// A reactor's thread is given the code that V8 has compiled for the thread that started it (`workerData.code`). Reading
// that takes a fifth of the time that compiling a megabyte of text takes; ES modules have nothing like it before Node
// 22. Other threads may find it in the folder PERCORE_CODE_CACHE: see kept-code.cjs. In the bundle of an application
// there is no such file, since the script is a module among others, and `require` may exist only for such modules.
'use strict';
const { existsSync, readFileSync } = process.getBuiltinModule('node:fs');
const { join } = process.getBuiltinModule('node:path');
const vm = process.getBuiltinModule('node:vm');
const { isMainThread, workerData } = process.getBuiltinModule('node:worker_threads');

/** A hash of the text of THE_SCRIPT. V8 would accept code for another text if that has the same length. */
const BUILD = 'THE_BUILD';
/** The script before this one, if there is one: this one takes from it and from those before it. */
const earlier = THE_EARLIER;
/** The same hash of that script, whose names this one knows. */
const EARLIER_BUILD = 'THE_FORMER';
/** A word of own-code.ts: the code can be read. */
const THERE = 1;
const LONGEST_WAIT_MS = 100;

const path = typeof __dirname === 'string' ? join(__dirname, 'THE_SCRIPT') : '';
// The package may have been replaced on the disk since this thread has loaded its first script: the names in that one
// mean other things here. In the bundle of an application no script has a hash.
if (earlier !== undefined && (earlier.percoreModule.build ?? EARLIER_BUILD) !== EARLIER_BUILD) {
  throw Object.assign(new Error('the files of percore were replaced by those of another build while this thread runs: '
    + 'start the program again'), { code: 'ERR_PERCORE_LAYOUT_MISMATCH' });
}
module.exports = path !== '' && existsSync(path) ? run() : require('./THE_SCRIPT');
module.exports.percoreModule.earlier = earlier;

function run() {
  const names = 'exports, require, module, __filename, __dirname, percoreScripts, percoreImport, percoreKeeper';
  const source = `(function (${names}) {${readFileSync(path, 'latin1')}\n})`;
  // All scripts of a thread have these lists in common.
  const { given, scripts } = earlier?.percoreModule ?? { given: takeGiven(), scripts: [] };
  const keeper = process.env.PERCORE_CODE_CACHE ? () => require('./kept-code.cjs') : undefined;
  const fromStarter = codeOf(given);
  const kept = fromStarter === undefined ? keeper?.().read(BUILD) : undefined;
  const code = fromStarter ?? kept;
  const script = new vm.Script(source, {
    filename: path,
    ...(code === undefined ? {} : { cachedData: code }),
  });
  const isTaken = code !== undefined && !script.cachedDataRejected;
  scripts.push({ build: BUILD, script, kept: isTaken ? kept : undefined });
  const module = { exports: {} };
  script.runInThisContext()(
    module.exports, require, module, path, __dirname, scripts,
    // A script that was made from compiled code cannot import by itself.
    (name) => import(name),
    keeper,
  );
  // `code` is for those who investigate a slow start.
  const came = code === undefined ? 'compiled' : !isTaken ? 'refused' : code === kept ? 'kept' : 'given';
  Object.assign(module.exports.percoreModule, { build: BUILD, code: came, given, scripts });
  return module.exports;
}

/** What the thread that started this one has compiled, out of workerData: nobody else needs it. */
function takeGiven() {
  const given = isMainThread ? undefined : workerData?.code;
  if (!Array.isArray(given) || !given.some((code) => code?.build === BUILD)) return [];
  delete workerData.code;
  return given;
}

/** What is of this very text; that thread may still be at it. V8 refuses what does not fit it. */
function codeOf(given) {
  const own = given.find((code) => code?.build === BUILD && code.state instanceof SharedArrayBuffer);
  if (own === undefined) return undefined;
  const state = new Int32Array(own.state);
  // Pairs with the store in own-code.ts. That thread may be busy with something else: to compile is not so dear that it
  // should be waited for long.
  Atomics.wait(state, 0, 0, LONGEST_WAIT_MS);
  return Atomics.load(state, 0) === THERE ? new Uint8Array(own.data, 0, state[1]) : undefined;
}
