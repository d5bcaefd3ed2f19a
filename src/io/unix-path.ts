/** Checks the path of a Unix socket. */
import { invalidArgument } from '../errors.js';

/** The bytes of `sun_path`. A path needs one of them for the NUL that ends it. */
const MOST_NAME_BYTES = 108;
const MOST_PATH_BYTES = MOST_NAME_BYTES - 1;

/** Throws ERR_PERCORE_INVALID_ARGUMENT unless `path` fits into a Unix address. */
export function checkUnixPath(argument: string, path: unknown): string {
  if (typeof path !== 'string' || path === '') throw invalidArgument(argument, path, 'the path of a Unix socket');
  const isAbstract = path.startsWith('\0');
  const bytes = Buffer.byteLength(path), most = isAbstract ? MOST_NAME_BYTES : MOST_PATH_BYTES;
  if (bytes > most) {
    const hint = `this one has ${bytes}: use a shorter folder, or a relative path`;
    throw invalidArgument(argument, path, `at most ${most} bytes of UTF-8 (${hint})`);
  }
  if (!isAbstract && path.includes('\0')) {
    throw invalidArgument(argument, path, 'without NUL, or an abstract name that begins with it');
  }
  return path;
}
