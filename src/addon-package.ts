/**
 * Finds the package that carries the addon for this machine. `percore` names one package for each platform in its
 * optionalDependencies; npm, pnpm and Yarn install the one whose `os`, `cpu` and `libc` fit.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';

const LETTERS = 4096;

/**
 * The name of the package for this platform, such as `@percore/linux-x64-gnu`; undefined if there is none. Never
 * throws.
 */
export function addonPackage(): string | undefined {
  const { platform, arch } = process;
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) return undefined;
  return `@percore/linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`;
}

/**
 * The path of the addon in the package `name`, resolved as the module at the path `from` would resolve it; undefined if
 * that package is not installed.
 */
export function findAddon(name: string, from: string): string | undefined {
  try {
    return createRequire(from).resolve(name);
  } catch {
    return undefined;
  }
}

/**
 * Whether this Node was built for musl. The executable names its dynamic loader near the beginning (PT_INTERP in ELF),
 * so one read of 4 KiB tells. `process.report` knows it too, but takes milliseconds of each thread's start.
 */
function isMusl(): boolean {
  try {
    const descriptor = openSync(process.execPath, 'r');
    try {
      const bytes = Buffer.alloc(LETTERS);
      readSync(descriptor, bytes, 0, LETTERS, 0);
      return bytes.includes('/ld-musl-');
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // The permission model may hide Node's own executable. Most systems have glibc, so assume that.
    return false;
  }
}
