// Loads percore-core.cjs of dist/packed, once in each thread, for tests and for whatever they start.
// bundle/load-script.cjs does this for users, whose threads get compiled code from the thread that starts them. Here
// every thread reads that code from a file, including the first one of a process, since the tests start some thousand
// processes.
'use strict';
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const vm = require('node:vm');

/** A hash of the text of percore-core.cjs. */
const BUILD = 'THE_BUILD';
/** No build looks into this folder. V8 refuses the code in it if this Node has other flags. */
const KEPT = join(__dirname, 'build', `${BUILD.slice(0, 16)}-${process.version}-${process.arch}.code`);

const path = join(__dirname, 'percore-core.cjs');
const cachedData = keptCode();
const script = new vm.Script(
  `(function (exports, require, module, __filename, __dirname, percoreImport) {${readFileSync(path, 'latin1')}\n})`,
  { filename: path, ...(cachedData === undefined ? {} : { cachedData }) },
);
const core = { exports: {} };
// A script that comes from compiled code cannot import by itself.
script.runInThisContext()(core.exports, require, core, path, __dirname, (name) => import(name));
const came = cachedData === undefined ? 'compiled' : script.cachedDataRejected ? 'refused' : 'kept';
Object.assign(core.exports.percoreModule, { code: came, keep });
module.exports = core.exports;

/** The stored code; undefined if there is none, and then the script is compiled. */
function keptCode() {
  try {
    return readFileSync(KEPT);
  } catch {
    return undefined;
  }
}

/** Stores the code that is compiled by now. Another process may do the same at the same time. */
function keep() {
  mkdirSync(join(__dirname, 'build'), { recursive: true });
  const unfinished = `${KEPT}.${process.pid}`;
  writeFileSync(unfinished, script.createCachedData());
  renameSync(unfinished, KEPT);
}
