// The platforms for which packages with a compiled addon are made.

/** The oldest glibc on which the addon runs. It is also the oldest for Node 20: that of Debian 10 and RHEL 8. */
export const OLDEST_GLIBC = '2.28';

/** `zig` is the compiler's name for the platform. npm chooses packages by `os`, `cpu` and `libc`. */
export const TARGETS = [
  { name: 'linux-x64-gnu', cpu: 'x64', libc: 'glibc', zig: `x86_64-linux-gnu.${OLDEST_GLIBC}` },
  { name: 'linux-x64-musl', cpu: 'x64', libc: 'musl', zig: 'x86_64-linux-musl' },
  { name: 'linux-arm64-gnu', cpu: 'arm64', libc: 'glibc', zig: `aarch64-linux-gnu.${OLDEST_GLIBC}` },
  { name: 'linux-arm64-musl', cpu: 'arm64', libc: 'musl', zig: 'aarch64-linux-musl' },
];

/** The platform of this Node, for which a checkout builds the addon. Packages are made on systems with glibc. */
export const OWN = `linux-${process.arch}-gnu`;
