/**
 * Queues in files, which other processes can open: how such a file is made, opened and checked. It begins with
 * `queueFileLayout`. Then come the threads that share it, a text that describes the queue, and the ring or the group of
 * rings, laid out as in any SharedArrayBuffer.
 *
 *     | QueueFile 0 | Sharer 256 … | {"codec":…,"consumers":…} 8448 … | Queue or Group, at `queueAt` … |
 *
 * The addon presents the mapped file as a SharedArrayBuffer, so the code of the rings runs on it unchanged.
 * docs/decisions/2026-11-29-rings-between-processes.md says why, and what else was measured. A file appears under its
 * name only when it is complete: it is made without a name and then linked, so that a process which is killed meanwhile
 * leaves nothing behind. Where a file system has no files without names, it is made under another name.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync, constants, fchmodSync, fstatSync, openSync, readSync, unlinkSync, type Stats,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { EEXIST, ENOSYS } from '../errno.js';
import {
  PercoreError, checkInteger, checkOptions, checkText, invalidArgument, messageOf, systemCall,
} from '../errors.js';
import {
  LAYOUT_VERSION, QUEUE_FILE_MAGIC, QUEUE_FILE_TEXT, QUEUE_FILE_VERSION, queueFileLayout, words,
} from '../layout.js';
import { backendInForce, native, type NativeMappings } from '../native.js';
import type { CodecFor } from './codec.js';
import { damagedWord } from './copy-bytes.js';
import type { Kind, MemoryGiven, Queue, QueueFile } from './handles.js';

const { fields } = queueFileLayout;
const PAGE = 4096;
/** The most bytes of the text. A struct of 1,024 fields needs only a part of that. */
const MOST_TEXT = 2 ** 20;
/** The most bytes of a file, so that an Int32Array over all of it has fewer than 2^32 words. */
const MOST_BYTES = 2 ** 34 - PAGE;
/** As open(2) has it; Node does not name it. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;
const KINDS: Readonly<Record<Kind, number>> = {
  spsc: words.queueFileKind.SPSC, mpsc: words.queueFileKind.MPSC, spmc: words.queueFileKind.SPMC,
  banded: words.queueFileKind.BANDED,
};

/** What a file says about its queue, once it has been checked: numbers, and what the text holds. */
export interface Described {
  readonly kind: Kind;
  readonly capacity: number;
  readonly recordBytes: number;
  readonly maxProducers: number;
  readonly maxConsumers: number;
  readonly codec?: CodecFor<unknown>;
  readonly consumers?: Readonly<Record<string, number>>;
}

/** A mapped file, and the byte offset at which its queue begins. */
export interface Mapped {
  readonly file: QueueFile;
  readonly buffer: SharedArrayBuffer;
  readonly queueAt: number;
}

/** The addon's functions for mapped files. Throws where there are none: another backend cannot map a file. */
export function mappings(): NativeMappings {
  const { mappings: group } = native();
  if (group !== undefined) return group;
  throw new PercoreError(
    'ERR_PERCORE_NATIVE_UNAVAILABLE',
    `a queue in a file needs the native addon, which maps it, and this thread runs on the portable backend `
      + `(${backendInForce().reason}). Use it on Linux with the addon; between processes without it there are sockets`,
    { argument: 'memory' },
  );
}

/** Checks `memory` as a user gave it, and finds its path. */
export function checkMemoryGiven(given: MemoryGiven): { path: string; mode: number; owner: number } {
  const { path, name, mode, owner } = checkOptions('memory', given, ['path', 'name', 'mode', 'owner']);
  if ((path === undefined) === (name === undefined))
    throw invalidArgument('memory', given, '{ path } of a file or { name } of one in /dev/shm, one of the two');
  if (name !== undefined && !/^(?!\.+$)[\w.-]{1,200}$/.test(checkText('memory.name', name)))
    throw invalidArgument('memory.name', name, '1 to 200 letters, digits, dots, dashes and underscores');
  if (name === undefined && checkText('memory.path', path).includes('\0'))
    throw invalidArgument('memory.path', path, 'a path without NUL');
  return {
    path: name === undefined ? resolve(path!) : `/dev/shm/${name}`,
    mode: checkInteger('memory.mode', mode ?? 0o600, 0, 0o777),
    owner: checkInteger('memory.owner', owner ?? process.geteuid!(), 0, 2 ** 32 - 1),
  };
}

/** Maps `bytes` bytes of an open file. Throws ERR_PERCORE_SYSTEM. */
function map(fd: number, bytes: number, path: string): SharedArrayBuffer {
  const buffer = mappings().map(fd, bytes);
  if (typeof buffer !== 'number') return buffer;
  if (buffer === -ENOSYS)
    throw new PercoreError(
      'ERR_PERCORE_NATIVE_UNAVAILABLE',
      `Node ${process.version} shows no mapped file as a SharedArrayBuffer, so it has no queues in files. Use Node 20 `
        + `to 26, as built by its project`,
      { argument: 'memory' },
    );
  throw failed(`map ${path}`, buffer, 'mmap');
}

/** The error for a call that the system refused; `code` is negative. */
function failed(what: string, code: number, syscall: string, fix = ''): PercoreError {
  const errno = native().system.errorName(-code);
  return new PercoreError('ERR_PERCORE_SYSTEM', `cannot ${what}: ${errno}, ${syscall}${fix}`, { errno, syscall });
}

/**
 * Makes a file for a queue of `bytes` bytes. `fill` puts the queue into it, as `described` says. It is called before
 * the file can be found by its name.
 */
export function makeQueueFile(
  memory: MemoryGiven, bytes: number, described: Described, fill: (mapped: Mapped) => void,
): Mapped {
  const { path, mode } = checkMemoryGiven(memory);
  const { codec, consumers } = described;
  const text = new TextEncoder().encode(JSON.stringify({ codec, consumers }));
  if (text.length > MOST_TEXT)
    throw invalidArgument('codec', `${text.length} bytes of description`, `at most ${MOST_TEXT} bytes for a file`);
  const queueAt = pages(QUEUE_FILE_TEXT + text.length);
  const length = pages(queueAt + bytes);
  if (length > MOST_BYTES)
    throw invalidArgument('capacity', `${length} bytes`, `such that the queue takes at most ${MOST_BYTES} in a file`);
  const { fd, draft } = openDraft(path, mode);
  try {
    // open(2) has applied the umask; this sets the mode that was asked for.
    systemCall(`make ${path}`, () => fchmodSync(fd, mode));
    const code = mappings().allocate(fd, length);
    // This reserves memory, and not just a length. Otherwise the process would get a signal if memory ran out when a
    // page is first written.
    if (code < 0) throw failed(`give ${path} ${length} bytes`, code, 'posix_fallocate', '. Free some, or ask for less');
    const { dev: device, ino: inode } = fstatSync(fd);
    const mapped = { file: { path, device, inode }, buffer: map(fd, length, path), queueAt };
    writeHeader(mapped.buffer, described, length, queueAt, text);
    fill(mapped);
    const linked = mappings().link(fd, path);
    if (linked === -EEXIST)
      throw new PercoreError(
        'ERR_PERCORE_NAME_TAKEN',
        `there is a file at ${path} already. Open its queue by open({ memory }), or remove it if nobody uses it`,
        { argument: 'memory', value: path },
      );
    if (linked < 0) throw failed(`make ${path}`, linked, 'linkat');
    return mapped;
  } catch (cause) {
    if (cause instanceof PercoreError) throw cause;
    return systemCall(`make ${path}`, () => { throw cause; });
  } finally {
    closeSync(fd);
    if (draft !== undefined) unlinkSync(draft);
  }
}

/** A file in the folder of `path` that has no name, or where that cannot be, the name `draft`. */
function openDraft(path: string, mode: number): { fd: number; draft?: string } {
  const folder = dirname(path);
  try {
    return { fd: openSync(folder, constants.O_RDWR | O_TMPFILE, mode) };
  } catch {
    // The file system has none, or there is no such folder, which is told below.
  }
  // Named at random: a process in another container, or an earlier one with our number, may have left a draft behind.
  const draft = join(folder, `.percore-${randomBytes(8).toString('hex')}.new`);
  const fd = systemCall(`make ${path}`, () =>
    openSync(draft, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode));
  return { fd, draft };
}

function writeHeader(
  buffer: SharedArrayBuffer, described: Described, length: number, queueAt: number, text: Uint8Array,
): void {
  const view = new DataView(buffer);
  const set = (field: { at: number; type: string }, value: number): void =>
    field.type === 'f64' ? view.setFloat64(field.at, value, true) : view.setInt32(field.at, value, true);
  set(fields.magic, QUEUE_FILE_MAGIC);
  set(fields.version, QUEUE_FILE_VERSION);
  set(fields.ringVersion, LAYOUT_VERSION);
  set(fields.kind, KINDS[described.kind]);
  set(fields.bytes, length);
  set(fields.queueAt, queueAt);
  set(fields.textBytes, text.length);
  set(fields.capacity, described.capacity);
  set(fields.recordBytes, described.recordBytes);
  set(fields.maxProducers, described.maxProducers);
  set(fields.maxConsumers, described.maxConsumers);
  new Uint8Array(buffer).set(text, QUEUE_FILE_TEXT);
}

const pages = (bytes: number): number => Math.ceil(bytes / PAGE) * PAGE;

/** Opens a file for reading and writing. The caller closes it. */
export function openFile(path: string): { fd: number; stats: Stats } {
  const fd = systemCall(`open the queue in ${path}`, () =>
    // O_NONBLOCK, so that a FIFO does not wait for its other end.
    openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK));
  try {
    return { fd, stats: fstatSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The same for a file that is mapped, by the descriptor of the mapping: its path may name something else by now. */
export function openMapped(words: Int32Array, path: string): { fd: number; stats: Stats } {
  const fd = systemCall(`open the queue in ${path}`, () =>
    openSync(`/proc/self/fd/${mappings().descriptor(words)}`, constants.O_RDWR));
  return { fd, stats: fstatSync(fd) };
}

function openMade(path: string): { fd: number; stats: Stats } {
  try {
    return openFile(path);
  } catch (cause) {
    if (!(cause instanceof PercoreError)) throw cause;
    const why = {
      ENOENT: 'there is no such file. Its maker calls create({ memory }) first; until then, try again',
      ELOOP: 'it is a symbolic link, which is not followed. Give the path of the file itself',
    }[cause.errno as string];
    if (why === undefined) throw cause;
    throw new PercoreError(
      'ERR_PERCORE_SYSTEM', `cannot open the queue in ${path}: ${why}`,
      { cause, errno: cause.errno!, syscall: 'open' },
    );
  }
}

/** Opens the file of a queue that another process has made, maps it, and reads what it says of its queue. */
export function openQueueFile(memory: MemoryGiven): { mapped: Mapped; described: Described } {
  const { path, mode, owner } = checkMemoryGiven(memory);
  mappings();
  const { fd, stats } = openMade(path);
  try {
    if (!stats.isFile()) throw invalidArgument('memory', path, 'a file that create({ memory }) has made');
    if (stats.uid !== owner)
      throw invalidArgument(
        'memory.owner', stats.uid, `${owner}: the file belongs to somebody else, who could change it at any time. Name `
          + `that user in memory.owner if that is meant`,
      );
    const more = stats.mode & 0o777 & ~mode;
    if (more !== 0)
      throw invalidArgument(
        'memory.mode', `0o${(stats.mode & 0o777).toString(8)}`,
        `0o${mode.toString(8)} or less: others may use the file too. Give it as memory.mode if that is meant`,
      );
    const mapped = mapQueueFile({ path, device: stats.dev, inode: stats.ino }, fd, stats);
    return { mapped, described: describedBy(mapped) };
  } finally {
    closeSync(fd);
  }
}

/**
 * Maps a file, if the numbers in its header make sense, over the length that its header gives; the file itself may have
 * been made longer. Takes `known`, an existing mapping of it, if that is long enough.
 */
export function mapQueueFile(file: QueueFile, fd: number, stats: Stats, known?: SharedArrayBuffer): Mapped {
  const header = Buffer.alloc(queueFileLayout.bytes);
  // A copy, whose numbers stay as they were checked: what is mapped may change at any time.
  const read = systemCall(`read ${file.path}`, () => readSync(fd, header, 0, header.length, 0));
  if (read < header.length) throw cut(file.path, read, pages(QUEUE_FILE_TEXT));
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  const magic = view.getInt32(fields.magic.at, true);
  const versions = [view.getInt32(fields.version.at, true), view.getInt32(fields.ringVersion.at, true)];
  if (magic !== QUEUE_FILE_MAGIC || versions[0] !== QUEUE_FILE_VERSION || versions[1] !== LAYOUT_VERSION)
    throw new PercoreError(
      'ERR_PERCORE_LAYOUT_MISMATCH',
      `${file.path} has magic ${magic} and versions ${versions.join(' and ')}; this build reads ${QUEUE_FILE_MAGIC}, `
        + `${QUEUE_FILE_VERSION} and ${LAYOUT_VERSION}. It is the file of no queue, or of another version of percore`,
      { argument: 'memory', value: file.path },
    );
  // After the magic: a short file of something else was not cut short.
  if (stats.size < pages(QUEUE_FILE_TEXT)) throw cut(file.path, stats.size, pages(QUEUE_FILE_TEXT));
  const bytes = view.getFloat64(fields.bytes.at, true);
  if (!(bytes <= stats.size)) throw cut(file.path, stats.size, bytes);
  if (!(bytes <= MOST_BYTES && bytes % PAGE === 0)) throw damagedWord('length', bytes, MOST_BYTES);
  const queueAt = view.getInt32(fields.queueAt.at, true);
  if (!(queueAt >= QUEUE_FILE_TEXT && queueAt < bytes && queueAt % PAGE === 0))
    throw damagedWord('beginning', queueAt, bytes);
  const buffer = known !== undefined && known.byteLength >= bytes ? known : map(fd, bytes, file.path);
  return { file, buffer, queueAt };
}

/** The error for a file that is shorter than it says, or than it was. */
export function cut(path: string, size: number, bytes: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_FILE_TRUNCATED',
    `the queue's file ${path} has ${size} bytes and should have ${bytes}: it was cut short. Create a new queue`,
    { argument: 'memory', value: path },
  );
}

interface DescribedText {
  readonly codec?: CodecFor<unknown>;
  readonly consumers?: Readonly<Record<string, number>>;
}

/** Checks the form of the description. What codec and names mean is checked where they are used. */
function checkDescription(text: unknown): DescribedText {
  if (!isRecord(text)) throw new TypeError('it is no object');
  const { codec, consumers = {} } = text;
  if (codec !== undefined && !(isRecord(codec) && typeof codec.name === 'string' && isRecord(codec.fields ?? {})))
    throw new TypeError('its codec has no name, or no fields');
  if (!isRecord(consumers) || !Object.values(consumers).every((place) => Number.isInteger(place)))
    throw new TypeError('its consumers have no places');
  return text as DescribedText;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function describedBy({ buffer, queueAt }: Mapped): Described {
  const view = new DataView(buffer);
  const get = ({ at }: { at: number }): number => view.getInt32(at, true);
  const code = get(fields.kind);
  const kind = (Object.keys(KINDS) as Kind[]).find((each) => KINDS[each] === code);
  if (kind === undefined) throw damagedWord('kind', code, 4);
  const textBytes = get(fields.textBytes);
  if (!(textBytes >= 0 && textBytes <= queueAt - QUEUE_FILE_TEXT))
    throw damagedWord('length of its description', textBytes, queueAt - QUEUE_FILE_TEXT);
  let text: DescribedText;
  try {
    // A copy: the decoder takes no shared memory.
    text = checkDescription(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(
      new Uint8Array(buffer, QUEUE_FILE_TEXT, textBytes).slice())));
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_DAMAGED',
      `the queue's file is damaged: its description makes no sense (${messageOf(cause)}). Something else writes to it. `
        + 'Create a new queue',
      { argument: 'memory', cause },
    );
  }
  const { codec, consumers } = text;
  return {
    kind, capacity: get(fields.capacity), recordBytes: get(fields.recordBytes),
    maxProducers: get(fields.maxProducers), maxConsumers: get(fields.maxConsumers),
    ...(codec === undefined ? {} : { codec }), ...(consumers === undefined ? {} : { consumers }),
  };
}

/** The handle of a queue in a file. */
export function handleOf({ file, buffer, queueAt }: Mapped, described: Described): Queue {
  return {
    backend: 'fixed', ...described, buffer, byteOffset: queueAt, fixed: described.recordBytes > 0, memory: file,
  } as Queue;
}
