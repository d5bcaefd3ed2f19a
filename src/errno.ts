/**
 * The errors of system calls that this code tells apart. A native function returns such a number, negated; an error
 * that Node throws has it in `errno`, negated too. The numbers are those of Linux, and the backend for another system
 * translates its own numbers into them. Source: errno(3).
 */
export const EPERM = 1;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EBUSY = 16;
export const EEXIST = 17;
export const EISDIR = 21;
export const EINVAL = 22;
export const EMFILE = 24;
export const EPIPE = 32;
export const ENOSYS = 38;
export const ENOTSOCK = 88;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;
export const EALREADY = 114;
export const ECANCELED = 125;
