/**
 * An instance of tracefs of our own: events, filters and buffers that nobody else sees, in a folder whose name says
 * which process made it. A process that is killed cannot remove its instance, so the next tracer removes those whose
 * process is gone. Source: Documentation/trace/ftrace.rst, "Instances".
 */
import {
  closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync,
} from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { PercoreError } from '../errors.js';
import { startTicksOf } from '../process-start.js';

const USUAL_PLACE = '/sys/kernel/tracing';
const PREFIX = 'percore-';

/** Where tracefs is mounted. If it is not, throws ERR_PERCORE_NO_CAPABILITY with the command that mounts it. */
export function findTracefs(mounts: string = readFileSync('/proc/self/mounts', 'utf8')): string {
  const places = mounts.split('\n').map((line) => line.split(' '))
    .filter(([, place, type]) => type === 'tracefs' && place !== undefined)
    // A space in a path is written as \040.
    .map(([, place]) => place!.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))));
  if (places.length === 0) {
    throw missingRight('tracefs is not mounted here', `sudo mount -t tracefs tracefs ${USUAL_PLACE}`
      + ', in a container on its host');
  }
  // What was mounted over it later hides it.
  const seen = places.filter((place) => !isHidden(place));
  if (seen.length === 0) {
    throw missingRight(`tracefs is mounted at ${places[0]}, and something that is mounted over it hides it`,
      `sudo mount -t tracefs tracefs ${places[0]}`);
  }
  return seen.includes(USUAL_PLACE) ? USUAL_PLACE : seen[0]!;
}

function isHidden(place: string): boolean {
  try {
    statSync(join(place, 'instances'));
    return false;
  } catch (error) {
    // A user without the right gets EACCES, and is told so later.
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** Removes the instances of tracers that are gone, and returns their names. One that somebody still reads stays. */
export function removeLeftovers(tracefs: string): string[] {
  const folder = join(tracefs, 'instances');
  const names = whileAllowed(tracefs, () => readdirSync(folder)).filter((name) => name.startsWith(PREFIX));
  return names.filter((name) => {
    const [pid, ticks] = name.slice(PREFIX.length).split('-').map(Number);
    if (pid === undefined || !(pid > 0) || startTicksOf(pid) === ticks) return false;
    try {
      rmdirSync(join(folder, name));
      return true;
    } catch {
      // Busy: a tracer whose number belongs to another process here, as in a container, still reads it.
      return false;
    }
  });
}

export class TraceInstance {
  readonly path: string;
  private readonly descriptors: number[] = [];
  private isClosed = false;

  /** Makes the folder; nothing is recorded yet. Throws ERR_PERCORE_NO_CAPABILITY if this user has no right to. */
  constructor(private readonly tracefs: string, name: string) {
    this.path = join(tracefs, 'instances', `${PREFIX}${process.pid}-${startTicksOf('self')}-${name}`);
    whileAllowed(tracefs, () => mkdirSync(this.path));
  }

  /** Newer kernels have more files. */
  has(file: string): boolean {
    return existsSync(join(this.path, file));
  }

  read(file: string): string {
    return whileAllowed(this.tracefs, () => readFileSync(join(this.path, file), 'latin1'));
  }

  write(file: string, text: string): void {
    whileAllowed(this.tracefs, () => writeFileSync(join(this.path, file), `${text}\n`));
  }

  /** Asks for what makes the trace cheaper and is no part of it, where this kernel has it. */
  ask(file: string, text: string): void {
    try {
      writeFileSync(join(this.path, file), `${text}\n`);
    } catch {
      // Then it costs more.
    }
  }

  /** The numbers of all CPUs that have a buffer, including those that are offline. */
  cpus(): number[] {
    return whileAllowed(this.tracefs, () => readdirSync(join(this.path, 'per_cpu')))
      .map((name) => Number(/^cpu(\d+)$/.exec(name)?.[1])).filter((cpu) => cpu >= 0).sort((a, b) => a - b);
  }

  /** A descriptor of this object's that gives the pages of a CPU, by reads that do not wait. */
  openPages(cpu: number): number {
    const path = join(this.path, `per_cpu/cpu${cpu}/trace_pipe_raw`);
    const fd = whileAllowed(this.tracefs, () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
    this.descriptors.push(fd);
    return fd;
  }

  /** Ends everything and removes the folder. A second call does nothing. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const fd of this.descriptors) closeSync(fd);
    try {
      rmdirSync(this.path);
    } catch {
      // Somebody else is reading it just now; the next tracer removes it.
    }
  }
}

/** Calls what reads or changes tracefs. If this user has no right to, the error says how to get it. */
function whileAllowed<T>(tracefs: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') {
      throw missingRight(`this user may not use tracefs (${code})`,
        `run it with sudo, or: sudo mount -o remount,uid=$(id -u) ${tracefs}`, cause);
    }
    if (code === 'EROFS') {
      throw missingRight(
        `tracefs is mounted read-only at ${tracefs}`, `sudo mount -o remount,rw ${tracefs}`, cause,
      );
    }
    throw new PercoreError('ERR_PERCORE_SYSTEM', `cannot trace on Linux ${release()}: ${message}`, {
      cause, ...(code === undefined ? {} : { errno: code }),
    });
  }
}

function missingRight(what: string, fix: string, cause?: unknown): PercoreError {
  return new PercoreError('ERR_PERCORE_NO_CAPABILITY', `events of the scheduler need root, or write access to tracefs: `
    + `${what}. ${fix}`, { cause });
}
