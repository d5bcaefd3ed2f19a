/**
 * What a reactor's thread does: ask for the grants, make the reactor, run the user's entry, say that it is ready, and
 * answer the main thread. The thread itself, of which it takes possession, is worker-main.ts; a simulator runs several
 * of these in one thread.
 */
import type { MessagePort } from 'node:worker_threads';
import { PercoreError } from '../errors.js';
import type { FlightEvent, SloViolation } from '../observe/index.js';
import type { Policy } from '../realtime/index.js';
import type { Grants } from '../realtime/internal.js';
import { followDiscipline, takeUp, type DisciplineReport, type DisciplineRequest } from './disciplines.js';
import { entryOf } from './entry.js';
import { packError } from './failure.js';
import { isHeldByOthers } from './forgotten.js';
import { OpenedQueues, type QueueReport } from './opened-queues.js';
import type { KnownNames } from './kept-names.js';
import { Party, type PartyOptions } from './party.js';
import { takePolicy, type PolicyGrant } from './policy-grant.js';
import { Reactor } from './reactor.js';
import { roomOf, type RoomMessage } from './room-channel.js';
import { ReportLimit } from './report-limit.js';
import type { SharedRuntime } from './shared.js';

export interface WorkerStart {
  readonly shared: SharedRuntime;
  readonly id: number;
  readonly cpu: number | undefined;
  readonly policy: Policy | undefined;
  /** Bytes of its stack that are to be there; 0: as it comes. */
  readonly stackBytes: number;
  readonly entry: string;
  readonly data: unknown;
  /** Threads that have died in this reactor's place. */
  readonly generation: number;
  /** What they have heard; undefined where none comes after this one. */
  readonly names: KnownNames | undefined;
  readonly options: Omit<PartyOptions, 'onError' | 'onDrop' | 'onViolation' | 'onOtherSource' | 'names'>;
  /** To the main thread. parentPort is left to the user. */
  readonly reports: ReportPort;
}

/** What is needed of a port. */
export type ReportPort = Pick<MessagePort, 'postMessage' | 'on' | 'close' | 'unref'>;

/** The thread that a reactor is given. */
export interface ReactorThread {
  /** Asks the system for what the reactor wishes. */
  requestGrants(cpu: number | undefined, name: string, stackBytes: number): Omit<Grants, 'io'>;
  importEntry(entry: string): Promise<{ default?: unknown }>;
  /** From now on the thread is the reactor's: what is opened in it and what is thrown in it concerns this party. */
  takeOver(party: Party, opened: OpenedQueues): void;
  /** Ends the thread. */
  exit(): void;
}

/** What a reactor's thread tells the main thread besides its shared words. */
export type WorkerReport =
  | QueueReport
  | DisciplineReport
  | { kind: 'begun' }
  /** Where a reactor is started again after a death: what a lane's number stands for. */
  | { kind: 'name'; lane: number; number: number; text: string }
  | { kind: 'ready'; grants: Grants }
  /** By which policy the system was asked to schedule it. */
  | { kind: 'policy'; grant: PolicyGrant }
  | { kind: 'startFailed'; error: ReturnType<typeof packError>; grants: Grants }
  /** Another source of I/O was opened than 'auto' had decided for. */
  | { kind: 'io'; io: NonNullable<Grants['io']> }
  /** An answer to the main thread: whether nothing of this thread's own could ever run again. */
  | { kind: 'idle'; isIdle: boolean }
  /** The same: whether nothing is ready, waiting or under way. */
  | { kind: 'quiet'; isQuiet: boolean }
  /** The same: what happened in it last. */
  | { kind: 'events'; events: readonly FlightEvent[] }
  /** Of a room above this one, in its own words. */
  | { kind: 'room'; room: string; body: unknown }
  /** Said last: its endpoints have lost bytes since it was told to stop. */
  | { kind: 'lost' }
  /** It dies because of an error: its last events. */
  | { kind: 'flight'; events: readonly FlightEvent[] }
  | { kind: 'sloViolated'; violation: SloViolation }
  | { kind: 'messageDropped'; error: ReturnType<typeof packError> }
  | { kind: 'stepError'; error: ReturnType<typeof packError>; where: string };

/** What the main thread asks, and what it is answered. */
export interface MemberAnswers {
  'idle?': boolean;
  'quiet?': boolean;
  'events?': readonly FlightEvent[];
}
export type MemberQuestion = keyof MemberAnswers;

/** Resolves when the entry has run, or has failed and the main thread was told. */
export async function runReactor(start: WorkerStart, thread: ReactorThread): Promise<void> {
  const report = (message: WorkerReport) => start.reports.postMessage(message);
  const threadGrants = thread.requestGrants(start.cpu, `percore-${start.id}`, start.stackBytes);
  const reportError = (error: unknown, where: string) => report({ kind: 'stepError', error: packError(error), where });
  const limit = new ReportLimit((count) => {
    const message = `${count} further step errors of reactor ${start.id} within a second were not reported; status() `
      + 'counts them';
    reportError(
      new PercoreError('ERR_PERCORE_NOT_REPORTED', message, { value: count, reactorId: start.id }), 'reports',
    );
  });
  const party = new Party(start.shared, start.id, {
    ...start.options,
    names: start.names && {
      known: start.names, keep: (lane, number, text) => report({ kind: 'name', lane, number, text }),
    },
    onError: (error, where) => {
      if (limit.take()) reportError(error, where);
    },
    onDrop: (error) => report({ kind: 'messageDropped', error: packError(error) }),
    onViolation: (violation) => report({ kind: 'sloViolated', violation }),
    onOtherSource: (granted, decision) => report({ kind: 'io', io: { asked: 'auto', granted, decision } }),
  });
  if (start.options.io?.asked === 'io_uring') party.io.begin();
  // The state at the time of the report: the entry may have opened the source.
  const grants = (): Grants => {
    const { asked, granted, decision, refusals } = party.userIo.status();
    return {
      ...threadGrants, io: { asked, granted, decision }, refusals: [...threadGrants.refusals, ...refusals],
    };
  };
  report({ kind: 'begun' });
  const importing = thread.importEntry(start.entry);
  thread.takeOver(party, new OpenedQueues(start.shared.inboxes, report));
  // It exits even if the user left something open; the turn is detached by now. An import under way ends first: Node
  // would leave its file open.
  party.stop.onLeave = () => {
    if (party.lostBytes > 0) report({ kind: 'lost' });
    void importing.catch(() => undefined).then(() => thread.exit());
  };
  const { disciplines } = party.turn;
  const { discipline } = start.options;
  let hasFirst = (): void => undefined;
  const first = discipline.kind === 'own' ? new Promise<void>((resolve) => (hasFirst = resolve)) : Promise.resolve();
  const changeDiscipline = followDiscipline(disciplines, report, first);
  party.tellPolicy = (grant) => report({ kind: 'policy', grant });
  party.toMain = (room, body, transfer) => start.reports.postMessage({ kind: 'room', room, body }, transfer);
  // What the main thread asks for: another discipline, its last events (monitor/flight-dump.ts), or, once it is ready,
  // whether it is idle (forgotten.ts) or quiet (scaling.ts). Everything else is for rooms above this one.
  start.reports.on('message', (asked: DisciplineRequest | RoomMessage | MemberQuestion) => {
    if (asked === 'idle?') setImmediate(reportIdle).unref();
    else if (asked === 'quiet?') setImmediate(reportQuiet).unref();
    else if (asked === 'events?') report({ kind: 'events', events: party.flight.events() });
    else if ('room' in asked) roomOf(asked.room)?.onReactor(party, asked.body);
    else changeDiscipline(asked);
  });
  start.reports.unref();
  const reportIdle = (): void => {
    report({ kind: 'idle', isIdle: party.isIdle() && !isHeldByOthers((isHeld) => party.setRef(isHeld)) });
  };
  const reportQuiet = (): void => report({ kind: 'quiet', isQuiet: party.isQuiet() });
  try {
    const module = await importing;
    // Afterwards the thread has the loader of modules that the entry may need, and so may this one.
    if (discipline.kind === 'own') await takeUp(disciplines, discipline);
    hasFirst();
    await entryOf(module, start.entry)(new Reactor(party), start.data, { generation: start.generation });
  } catch (error) {
    report({ kind: 'startFailed', error: packError(error), grants: grants() });
    return;
  }
  // Before 'ready', so that it is in force when the runtime is there; not before the entry, whose start would starve
  // others. What the entry itself has chosen stays.
  if (party.policy === undefined && start.policy !== undefined) {
    report({ kind: 'policy', grant: takePolicy(start.policy) });
  }
  party.begin();
  report({ kind: 'ready', grants: grants() });
}
