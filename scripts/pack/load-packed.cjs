// Gives percore-core.cjs of dist/packed to tests and to what they start, once a thread. bundle/load-core.cjs does this
// for users, whose threads are given compiled code by the thread that has started them. Here every thread reads it from
// a file, the first one of a process too, since the tests start some thousand processes.
'use strict';
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const vm = require('node:vm');

/** Of the text of percore-core.cjs. */
const BUILD = 'THE_BUILD';
/** The folder is none that a build looks at. V8 refuses what it finds there if this Node has other flags. */
const KEPT = join(__dirname, 'build', `${BUILD.slice(0, 16)}-${process.version}-${process.arch}.code`);

const path = join(__dirname, 'percore-core.cjs');
const cachedData = keptCode();
const script = new vm.Script(
  `(function (exports, require, module, __filename, __dirname, percoreImport) {${readFileSync(path, 'utf8')}\n})`,
  { filename: path, ...(cachedData === undefined ? {} : { cachedData }) },
);
const core = { exports: {} };
// A script that comes from compiled code cannot import by itself.
script.runInThisContext()(core.exports, require, core, path, __dirname, (name) => import(name));
core.exports.percoreModule.code = cachedData === undefined ? 'compiled' : script.cachedDataRejected ? 'refused' : 'kept';
core.exports.percoreModule.keep = keep;
module.exports = core.exports;

/** Nothing if there is none: it is compiled anew. */
function keptCode() {
  try {
    return readFileSync(KEPT);
  } catch {
    return undefined;
  }
}

/** Keeps what is compiled by now. Another process may do the same at the same time. */
function keep() {
  mkdirSync(join(__dirname, 'build'), { recursive: true });
  const unfinished = `${KEPT}.${process.pid}`;
  writeFileSync(unfinished, script.createCachedData());
  renameSync(unfinished, KEPT);
}
