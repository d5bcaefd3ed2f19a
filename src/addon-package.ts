/**
 * Which of the packages that `percore` names as optionalDependencies carries the addon for this machine, and where it
 * is installed. One for each platform: npm, pnpm and Yarn install the one whose `os`, `cpu` and `libc` fit.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';

const LETTERS = 4096;

/** Its name, such as `@percore/linux-x64-gnu`; undefined where none is made for this platform. Never throws. */
export function addonPackage(): string | undefined {
  const { platform, arch } = process;
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) return undefined;
  return `@percore/linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`;
}

/**
 * The addon of the package `name`, as the module at the path `from` would find it; undefined where it is not installed.
 */
export function findAddon(name: string, from: string): string | undefined {
  try {
    return createRequire(from).resolve(name);
  } catch {
    return undefined;
  }
}

/**
 * Whether this Node runs on musl. Its file names the dynamic loader near the beginning (ELF's PT_INTERP), which costs
 * one read of 4 KiB; `process.report`, which knows it as well, takes milliseconds of each thread's start.
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
    // The permission model may hide Node's own file. Most systems have glibc.
    return false;
  }
}
