/**
 * Descriptors that a user has: pipes, FIFOs, terminals, and files. Node reads and writes those that can wait. A regular
 * file is read and written at once, and never waits for anything but the disk.
 */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';
import { EAGAIN, EBADF, EINVAL, ENOTSOCK } from '../errno.js';
import { words } from '../layout.js';
import type { NativeDescriptors } from '../native/index.js';
import { errnoOf, missing, systemError } from './errno.js';
import { SocketThing } from './socket-thing.js';
import { put, READABLE, take, thingOf, WRITABLE, type OpenThing } from './things.js';

/** A file or a device, always ready. */
export class FileThing implements OpenThing {
  onChange: (bits: number) => void = () => undefined;

  constructor(private readonly fd: number, private readonly isOwned: boolean) {}

  readiness(): number {
    return READABLE | WRITABLE;
  }

  read(bytes: Uint8Array, offset: number, length: number): number {
    return attempt(() => readSync(this.fd, bytes, offset, length, null));
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    return attempt(() => writeSync(this.fd, bytes, offset, length));
  }

  close(): void {
    if (this.isOwned) closeSync(this.fd);
  }
}

/** The thing for an open descriptor. Throws what fstat reports. */
function thingFor(fd: number, isWritable: boolean, isOwned: boolean): OpenThing {
  const file = fstatSync(fd);
  const isAlwaysReady = file.isFile() || file.isBlockDevice() || (file.isCharacterDevice() && !isatty(fd));
  if (isAlwaysReady) return new FileThing(fd, isOwned);
  try {
    return new SocketThing(new Socket({ fd, readable: true, writable: isWritable, allowHalfOpen: true }));
  } catch (error) {
    // A terminal.
    if ((error as NodeJS.ErrnoException).code === 'ERR_INVALID_FD_TYPE') throw missing('fcntl');
    throw error;
  }
}

const readable = (fd: number): { read: FileThing['read']; write: FileThing['write'] } | undefined => {
  const thing = thingOf(fd);
  return thing instanceof SocketThing || thing instanceof FileThing ? thing : undefined;
};

export const descriptors: NativeDescriptors = {
  close: (fd) => take(fd)?.close(),
  own: () => undefined,
  disown: (fd) => void take(fd),

  adopt(fd) {
    if (thingOf(fd) !== undefined) throw systemError('EBUSY', 'fcntl', `${fd} already belongs to this thread's I/O`);
    return put(thingFor(fd, true, true), fd);
  },

  openFifo(path, isWriter, keepOpen) {
    const { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;
    if (O_NONBLOCK === undefined) throw missing('open');
    const fd = openSync(path, (keepOpen ? O_RDWR : isWriter ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
    if (fstatSync(fd).isFIFO())
      return put(new SocketThing(new Socket({ fd, readable: !isWriter, writable: isWriter, allowHalfOpen: true })));
    closeSync(fd);
    throw systemError('EINVAL', 'open', `${path} is not a FIFO`);
  },

  openStandardInput: () => put(thingFor(0, false, false)),
  way: (fd) => (readable(fd) === undefined ? -EBADF : words.descriptorWay.PLAIN),
  read: (fd, bytes, offset, length) => readable(fd)?.read(bytes, offset, length) ?? -EBADF,
  write: (fd, bytes, offset, length) => readable(fd)?.write(bytes, offset, length) ?? -EBADF,

  end(fd) {
    const thing = thingOf(fd);
    if (!(thing instanceof SocketThing)) return -ENOTSOCK;
    thing.end();
    return 0;
  },
};

function attempt(call: () => number): number {
  try {
    return call();
  } catch (error) {
    const errno = errnoOf(error);
    return errno === 0 ? -EINVAL : errno === EAGAIN ? -EAGAIN : -errno;
  }
}
