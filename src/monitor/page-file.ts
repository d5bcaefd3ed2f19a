/**
 * Opens counters pages. They lie in a folder in which every user of the machine may make files, so a name says nothing:
 * a FIFO would let its reader wait for ever, and a symbolic link would lead a writer elsewhere.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { PercoreError } from '../errors.js';

/** Larger than any page; what a stranger has made may be as large as the disk. */
const MOST_PAGE_BYTES = 2 ** 30;

/** Opens a file that may be a page. Waits for nobody. Throws for what is no regular file, and as `openSync` does. */
export function openPageFile(path: string, access: 'read' | 'write'): number {
  const way = access === 'read' ? constants.O_RDONLY : constants.O_RDWR;
  const fd = openSync(path, way | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const about = fstatSync(fd);
  if (about.isFile() && about.size <= MOST_PAGE_BYTES) return fd;
  closeSync(fd);
  throw new PercoreError(
    'ERR_PERCORE_SYSTEM', `the counters page ${path} cannot be read: it is not a counters page`, { value: path },
  );
}

/** The first bytes of it: as many as `bytes` has, or undefined where there are fewer. */
export function readHead(fd: number, bytes: Buffer): Buffer | undefined {
  return readSync(fd, bytes, 0, bytes.length, 0) === bytes.length ? bytes : undefined;
}

/**
 * Whether the file belongs to the process that its head names, to the superuser, or to this user: another user's page
 * could name any process. The owner of /proc/<pid> may be the superuser instead, hence the status.
 */
export function isOfProcess(fd: number, pid: number): boolean {
  const owner = fstatSync(fd).uid;
  if (owner === 0 || owner === process.getuid?.()) return true;
  try {
    const users = /^Uid:\t(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '';
    return users.split('\t').includes(String(owner));
  } catch {
    // It has died meanwhile.
    return false;
  }
}
