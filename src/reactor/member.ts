/**
 * A reactor's worker thread as the main thread sees it: started, heard, watched until its exit, ended.
 *
 *      starting --'ready'--> ready --told to leave--> left (exit)          at any time: exit, the proof of death
 *          └──'startFailed'--> failed
 *
 * Reports come over a channel of their own. parentPort belongs to the user and to libraries (logs, traces, coverage):
 * whatever they post is passed on and counted, never mistaken for a report.
 */
import { fileURLToPath } from 'node:url';
import type { ResourceLimits, TransferListItem } from 'node:worker_threads';
import { PercoreError } from '../errors.js';
import type { FlightEvent, SloViolation } from '../observe/index.js';
import { kindOf, memberPath } from '../queues/internal.js';
import type { Grants } from '../realtime/internal.js';
import { MemberDiscipline, nameOf } from './disciplines.js';
import { unpackError } from './failure.js';
import { QueuesOfThread } from './opened-queues.js';
import type { PolicyGrant } from './policy-grant.js';
import type { RoomMessage } from './room-channel.js';
import type { MemberAnswers, MemberQuestion, ReportPort, WorkerReport, WorkerStart } from './reactor-thread.js';
import type { SpareThread, StartedThread, ThreadMaker } from './threads.js';

export interface MemberHost {
  stepError(id: number, error: Error, where: string): void;
  messageDropped(id: number, error: Error): void;
  sloViolated(violation: SloViolation): void;
  /** Said by a room above this one, in its own words. */
  room(id: number, room: string, body: unknown): void;
  /** It has come a step closer to being ready. */
  progressed(): void;
  /** What a number in one of its lanes stands for. */
  name(id: number, lane: number, number: number, text: string): void;
  /** Posted by code of the user's in that reactor. */
  message(id: number, message: unknown): void;
  /** The thread has ended; called once, after everything that it reported. */
  exited(member: Member, exitCode: number): void;
}

export class Member {
  grants: Grants | undefined;
  /** What was last asked of the scheduler for it. */
  policy: PolicyGrant | undefined;
  /** The exit event has come. */
  isDead = false;
  /** The last events in it, if an error ended it. */
  flight: readonly FlightEvent[] = [];
  /** The error that ended the thread, if there was one. */
  error: Error | undefined;
  exitCode: number | undefined;
  /** Messages that came over parentPort, including those from earlier threads. */
  messages = 0;
  /** Resolves when the entry has run; rejects with ERR_PERCORE_ENTRY. */
  readonly ready: Promise<void>;
  /** The thread has reached the entry. */
  hasBegun = false;
  isReady = false;
  /** The runtime has ended it. */
  wasTerminated = false;
  /** It has ended, and nobody had asked for that. */
  hasDied = false;
  /** While it stopped, its endpoints lost bytes that they had taken. */
  hasLost = false;
  readonly exited: Promise<void>;
  readonly worker: StartedThread;
  private readonly reports: ReportPort;
  /** Those who have asked, in the order of the questions, which is that of the answers: several may ask at a time. */
  private readonly asked: { readonly [Q in MemberQuestion]: ((answer: MemberAnswers[Q]) => void)[] } = {
    'idle?': [], 'quiet?': [], 'events?': [],
  };
  /** Node's number of the thread, which `worker` forgets before the exit event. */
  readonly threadId: number;
  /** How many threads have died in its place before it. */
  readonly generation: number;
  /** The discipline that it uses. */
  readonly discipline: MemberDiscipline;
  /** The queues that it has ends of. */
  readonly queues: QueuesOfThread;

  /**
   * Starts the thread, or takes one that waits. Throws ERR_PERCORE_UNSERIALIZABLE for data that cannot be cloned,
   * _WORKER_UNAVAILABLE, or what `new Worker` throws.
   */
  constructor(
    readonly id: number, start: Omit<WorkerStart, 'reports' | 'id'>,
    resourceLimits: ResourceLimits | undefined, host: MemberHost, threads: ThreadMaker,
    spare?: SpareThread,
  ) {
    const { port1, port2 } = threads.channel();
    try {
      const given = { ...start, id, reports: port2 };
      this.worker = spare?.take(given) ?? threads.start(given, resourceLimits);
    } catch (error) {
      port1.close();
      throw explained(error as NodeJS.ErrnoException, start.data);
    }
    this.threadId = this.worker.threadId;
    this.generation = start.generation;
    this.queues = new QueuesOfThread(this.threadId);
    const inForce = nameOf(start.options.discipline);
    this.discipline = new MemberDiscipline(id, inForce, (request) => port1.postMessage(request));
    let settle!: { resolve(): void; reject(error: Error): void };
    this.ready = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    // Whoever waits for it sees the rejection; if nobody waits, it is not unhandled.
    this.ready.catch(() => undefined);
    const take = (report: WorkerReport): void => {
      if (report.kind === 'stepError') {
        return host.stepError(id, unpackError(report.error, id, report.where), report.where);
      }
      if (report.kind === 'messageDropped') return host.messageDropped(id, unpackError(report.error, id, 'messages'));
      if (report.kind === 'flight') return void (this.flight = report.events);
      if (report.kind === 'sloViolated') return host.sloViolated(report.violation);
      if (report.kind === 'queueOpened' || report.kind === 'queueUnreachable') return this.queues.take(report);
      if (report.kind === 'name') return host.name(id, report.lane, report.number, report.text);
      if (report.kind === 'room') return host.room(id, report.room, report.body);
      if (report.kind === 'discipline') return this.discipline.take(report);
      if (report.kind === 'policy') return void (this.policy = report.grant);
      if (report.kind === 'io') return void (this.grants &&= { ...this.grants, io: report.io });
      if (report.kind === 'lost') return void (this.hasLost = true);
      if (report.kind === 'idle') return this.asked['idle?'].shift()?.(report.isIdle);
      if (report.kind === 'quiet') return this.asked['quiet?'].shift()?.(report.isQuiet);
      if (report.kind === 'events') return this.asked['events?'].shift()?.(report.events);
      this.hasBegun = true;
      host.progressed();
      if (report.kind === 'begun') return;
      this.grants = report.grants;
      this.isReady = report.kind === 'ready';
      if (report.kind === 'ready') settle.resolve();
      else settle.reject(entryFailed(id, start.entry, unpackError(report.error, id, 'entry')));
    };
    this.reports = port1;
    port1.on('message', take);
    // The worker itself keeps the main thread alive, or not: see unref().
    port1.unref();
    this.worker.on('error', (error: unknown) => {
      this.error = error instanceof Error ? error : new Error(String(error));
    });
    this.worker.on('message', (message: unknown) => {
      this.messages++;
      host.message(id, message);
    });
    this.exited = new Promise((done) => {
      this.worker.once('exit', (exitCode) => {
        // Its last report may not have been delivered yet.
        for (let last = threads.receive(port1); last !== undefined; last = threads.receive(port1)) {
          try {
            take(last.message as WorkerReport);
          } catch (error) {
            // A listener of the user's: the death is told all the same, and what was thrown goes on as it would.
            process.nextTick(() => { throw error; });
          }
        }
        port1.close();
        this.isDead = true;
        this.exitCode = exitCode;
        this.discipline.close();
        settle.reject(this.deathWhileStarting());
        done();
        host.exited(this, exitCode);
      });
    });
  }

  deathWhileStarting(): PercoreError {
    return new PercoreError(
      'ERR_PERCORE_ENTRY',
      `reactor ${this.id} ended with exit code ${this.exitCode} while it `
        + `started${this.error === undefined ? '' : `: ${this.error.message}${portHint(this.error)}`}`,
      { reactorId: this.id, cause: this.error },
    );
  }

  /**
   * Whether nothing of its own could ever run again in its thread. Never settles if the thread is busy for ever, or
   * gone.
   */
  isIdle(): Promise<boolean> {
    return this.ask('idle?');
  }

  /**
   * Whether nothing is ready, waiting or under way in it. False if it ends meanwhile. Never settles if the thread is
   * busy for ever.
   */
  isQuiet(): Promise<boolean> {
    return Promise.race([this.ask('quiet?'), this.exited.then(() => false)]);
  }

  /** What happened last in its thread. Never settles if the thread is busy for ever, or gone. */
  lastEvents(): Promise<readonly FlightEvent[]> {
    return this.ask('events?');
  }

  private ask<Q extends MemberQuestion>(question: Q): Promise<MemberAnswers[Q]> {
    this.reports.postMessage(question);
    return new Promise((resolve) => void this.asked[question].push(resolve));
  }

  /** Sends to a room above this one in its thread, by structured clone. */
  post(room: string, body: unknown, transfer: readonly TransferListItem[] = []): void {
    this.reports.postMessage({ room, body } satisfies RoomMessage, transfer);
  }

  /** Asks Node to end the thread between two statements; it cannot end a blocking system call. */
  terminate(): void {
    this.wasTerminated = true;
    void this.worker.terminate().catch(() => undefined);
  }

  ref(): void {
    this.worker.ref();
  }

  unref(): void {
    this.worker.unref();
  }
}

/** What `new Worker` threw, in words that say what can be done about it. */
function explained(error: NodeJS.ErrnoException, data: unknown): Error {
  if (error.name === 'DataCloneError') return unclonable(data, error);
  if (error.code !== 'ERR_ACCESS_DENIED') return error;
  return new PercoreError(
    'ERR_PERCORE_WORKER_UNAVAILABLE',
    'this process may not start threads, under the permission model of Node: start Node with --allow-worker',
    { cause: error },
  );
}

function entryFailed(id: number, entry: string, cause: Error): PercoreError {
  const path = fileURLToPath(entry);
  // Node keeps for itself in which line and file it is, and prints that for programs alone.
  const hint = cause.name === 'SyntaxError' ? ` (\`node ${path}\` shows where)` : portHint(cause);
  return new PercoreError(
    'ERR_PERCORE_ENTRY', `reactor ${id}: ${path} failed: ${cause.message}${hint}`, { reactorId: id, cause },
  );
}

/** The first mistake of whoever has a server in each reactor. */
function portHint(cause: NodeJS.ErrnoException): string {
  if (cause.code !== 'EADDRINUSE') return '';
  return '. If it is the port of a reactor before it: every reactor runs the entry, and they share a port by '
    + 'server.listen({ fd: reactor.io.listenFd({ port }).fd })';
}

function unclonable(data: unknown, cause: Error): PercoreError {
  const path = pathToUnclonable(data, 'data', new Set()) ?? 'data';
  return new PercoreError(
    'ERR_PERCORE_UNSERIALIZABLE',
    `${path} cannot be handed to the reactors: ${cause.message.replace(/\.$/, '')}. Functions belong into the `
      + 'entry, which runs in each reactor; send plain values',
    { argument: path, cause },
  );
}

/**
 * `data.handlers[0] (a function)` for the first part that is known not to cross; undefined if it is something else.
 */
function pathToUnclonable(value: unknown, path: string, seen: Set<unknown>): string | undefined {
  if (typeof value === 'function' || typeof value === 'symbol') return `${path} (${kindOf(value)})`;
  if (typeof value !== 'object' || value === null || seen.has(value)) return undefined;
  seen.add(value);
  const parts: [string, unknown][] = value instanceof Map || value instanceof Set
    ? [...value].map((item, i) => [`${path}[${i}]`, item])
    : Object.keys(value).map(
      (key) => [
        Array.isArray(value) ? `${path}[${key}]` : memberPath(path, key), (value as Record<string, unknown>)[key],
      ],
    );
  for (const [where, part] of parts) {
    const found = pathToUnclonable(part, where, seen);
    if (found !== undefined) return found;
  }
  return undefined;
}
