// The platforms that a package with a compiled addon is made for.

/** The oldest glibc that the addon runs on, which is the oldest that Node 20 takes: that of Debian 10 and RHEL 8. */
export const OLDEST_GLIBC = '2.28';

/** `zig` is the compiler's name for the platform; npm installs by `os`, `cpu` and `libc`. */
export const TARGETS = [
  { name: 'linux-x64-gnu', cpu: 'x64', libc: 'glibc', zig: `x86_64-linux-gnu.${OLDEST_GLIBC}` },
  { name: 'linux-x64-musl', cpu: 'x64', libc: 'musl', zig: 'x86_64-linux-musl' },
  { name: 'linux-arm64-gnu', cpu: 'arm64', libc: 'glibc', zig: `aarch64-linux-gnu.${OLDEST_GLIBC}` },
  { name: 'linux-arm64-musl', cpu: 'arm64', libc: 'musl', zig: 'aarch64-linux-musl' },
];

/** The platform that this Node runs on, which a checkout builds the addon for. Packages are made on glibc. */
export const OWN = `linux-${process.arch}-gnu`;
