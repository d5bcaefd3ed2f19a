/**
 * Errors of the system under the numbers of errno.ts, which are Linux's, whatever the machine. Node names its errors by
 * `code`, which is the same everywhere; its `errno` is not. Source: errno(3).
 */
const NUMBERS: Readonly<Record<string, number>> = {
  EPERM: 1, ENOENT: 2, EINTR: 4, EIO: 5, ENXIO: 6, EBADF: 9, EAGAIN: 11, ENOMEM: 12, EACCES: 13, EFAULT: 14, EBUSY: 16,
  EEXIST: 17, ENODEV: 19, ENOTDIR: 20, EISDIR: 21, EINVAL: 22, ENFILE: 23, EMFILE: 24, ENOTTY: 25, EFBIG: 27,
  ENOSPC: 28, ESPIPE: 29, EROFS: 30, EPIPE: 32, ENAMETOOLONG: 36, ENOSYS: 38, ELOOP: 40, EPROTO: 71, EOVERFLOW: 75,
  ENOTSOCK: 88, EDESTADDRREQ: 89, EMSGSIZE: 90, EPROTOTYPE: 91, EPROTONOSUPPORT: 93, EOPNOTSUPP: 95, ENOTSUP: 95,
  EAFNOSUPPORT: 97, EADDRINUSE: 98, EADDRNOTAVAIL: 99, ENETDOWN: 100, ENETUNREACH: 101, ECONNABORTED: 103,
  ECONNRESET: 104, ENOBUFS: 105, EISCONN: 106, ENOTCONN: 107, ETIMEDOUT: 110, ECONNREFUSED: 111, EHOSTUNREACH: 113,
  EALREADY: 114, EINPROGRESS: 115, ESTALE: 116, ECANCELED: 125,
};
const NAMES = new Map(Object.entries(NUMBERS).toReversed().map(([name, number]) => [number, name]));

export const ENOSYS: number = NUMBERS['ENOSYS']!;

/** "ECONNRESET" for a positive errno of Linux, "UNKNOWN" for an unknown number. */
export const errorName = (errno: number): string => NAMES.get(errno) ?? 'UNKNOWN';

/** Linux's number, positive, for an error that Node has made; EIO if its name is unknown here. */
export const errnoOf = (error: unknown): number =>
  NUMBERS[(error as NodeJS.ErrnoException | undefined)?.code ?? ''] ?? NUMBERS['EIO']!;

/** Linux's number for a name; EIO if it is unknown. */
export const errnoNamed = (name: string): number => NUMBERS[name] ?? NUMBERS['EIO']!;

/** An error like those that Node makes of system calls. `why` tells the reader what to do, if anything can be done. */
export function systemError(code: string, syscall: string, why?: string): NodeJS.ErrnoException {
  const text = `${code}: ${why ?? 'refused'}, ${syscall}`;
  return Object.assign(new Error(text), { code, errno: -errnoNamed(code), syscall });
}

/** Something that this backend does not have. */
export const missing = (syscall: string): NodeJS.ErrnoException =>
  systemError('ENOSYS', syscall, 'the portable backend does not have it');
