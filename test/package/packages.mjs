/** The packages as `npm run package -- --own` makes them, and projects that have them installed. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { install, stageMain, stagePlatform } from '../../scripts/package/stage.mjs';
import { OWN, TARGETS } from '../../scripts/package/targets.mjs';
import { root } from '../house/sources.mjs';

export const PLATFORM = `@percore/${OWN}`;

/** A folder that is removed at the end of the test file. Any user may read what is in it. */
export function scratchFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'percore-package-'));
  chmodSync(folder, 0o755);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The folders of both packages, below `folder`: of `percore`, and of this platform with the addon as it is here. */
export function stagePackages(folder) {
  const target = TARGETS.find(({ name }) => name === OWN);
  const addon = join(root, 'native', 'build', 'Release', 'percore.node');
  return { main: stageMain(root, folder), platform: stagePlatform(root, folder, target, addon) };
}

/**
 * A project with the packages of `staged` in its node_modules, and packages of this checkout besides, by links.
 * `files` are its own, by name.
 */
export function makeProject(folder, staged, files, { isWithAddon = true, links = [] } = {}) {
  mkdirSync(folder, { recursive: true });
  install(staged.main, folder, 'percore');
  if (isWithAddon) install(staged.platform, folder, PLATFORM);
  for (const name of ['piscina', 'ringbufferjs', ...links]) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), link);
  }
  writeFiles(folder, { 'package.json': '{ "name": "project", "private": true, "type": "module" }\n', ...files });
}

export function writeFiles(folder, files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** Runs a program to its end: promises its exit code (or the signal) and what it has printed. */
export function run(command, args, { cwd, env = {}, timeoutMs = 170_000, ...options } = {}) {
  const environment = { ...process.env, ...env };
  // What this machine was told for its own checkout must not help a project of somebody else.
  for (const name of ['PERCORE_NATIVE_PATH', 'PERCORE_WORKER_PATH', 'NODE_OPTIONS', 'VITEST', 'VITEST_POOL_ID'])
    if (env[name] === undefined) delete environment[name];
  return new Promise((resolve) => {
    execFile(
      command, args, { cwd, env: environment, timeout: timeoutMs, maxBuffer: 2 ** 26, ...options },
      (error, stdout, stderr) => resolve({ status: error === null ? 0 : (error.code ?? error.signal), stdout, stderr }),
    );
  });
}
