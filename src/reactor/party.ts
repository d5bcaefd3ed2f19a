/**
 * One party, as the inside of the package knows it: a reactor, or the main thread as an end of lanes. It puts the parts
 * together; users see it as `Reactor` and `Runtime`.
 *
 *      turn        selects and runs what is ready          dispatcher  who is called what; what a record is for
 *      lanes       rings to and from the peers             calls, answers  both halves of calls
 *      timers, io  what else makes tasks ready             windDown    how it stops
 */
import { invalidArgument, messageOf, PercoreError } from '../errors.js';
import { deliveryLayout, partyLayout, timerRequestsLayout, words } from '../layout.js';
import { native, type Native, type TurnHandle } from '../native.js';
import { Io, TimedIoCore, type IoHost, type SourceChoice } from '../io/internal.js';
import {
  DEFAULT_BAND, logCollections, watchCollections, type DeclaredClass, type DisciplineOptions, type OnCollection,
} from '../scheduling/internal.js';
import { ManualClock, SystemClock, Timers } from '../timers/index.js';
import { createCounting } from '../timers/internal.js';
import { bucketOf } from './buckets.js';
import { CallAnswers } from './call-answers.js';
import { Asking } from './call-asking.js';
import { CallService } from './call-service.js';
import { askerDied } from './calls.js';
import { Dispatcher } from './dispatcher.js';
import { DropReports } from './drop-reports.js';
import { Intercore } from './intercore.js';
import type { NamesToKeep } from './kept-names.js';
import type { Outlet } from './outlet.js';
import { Peers } from './peers.js';
import { QueueReading, Reading, type ReadableEnd } from './reading.js';
import { checkBand } from './reactor-checks.js';
import type { PolicyGrant } from './policy-grant.js';
import type { ToMain } from './room-channel.js';
import { FigureTable, FlightRecorder, WorstCases, type SloViolation } from '../observe/internal.js';
import { ioCounters, partyCounters, partyWords, timerCounters, type SharedRuntime } from './shared.js';
import type { Stepping } from './steps.js';
import { LocalTask, type ByteTask, type ValueTask } from './task.js';
import { Turn, type Budget, type PublishEvery, type TurnSources } from './turn.js';
import { watchHalts } from './halts.js';
import { RunTrace } from './run-trace.js';
import { TaskWatch } from './watch.js';
import { WindDown, type Stopping } from './wind-down.js';

/** What a party needs of the addon: the loop around its turn, and the eventfds of its peers. */
export type PartyNative = Pick<Native, 'turns' | 'wakers' | 'collections'>;

export interface PartyOptions {
  /** Default: the addon. The model test calls the turns of several parties of one thread itself. */
  readonly native?: PartyNative | undefined;
  readonly budget: Budget;
  readonly publishEvery: PublishEvery;
  readonly discipline: DisciplineOptions;
  readonly classes?: readonly DeclaredClass[];
  /** See RuntimeOptions. */
  readonly clock?: 'manual' | undefined;
  /** Default: epoll. */
  readonly io?: SourceChoice | undefined;
  /** See IoHost. */
  readonly onOtherSource?: IoHost['onOtherSource'];
  /** Called with what a step, a timer or a connection's handler threw. The party goes on. */
  readonly onError: (error: unknown, where: string) => void;
  /** For a reactor that is being added: how many there are to be. Default: as many as there are. */
  readonly coming?: number | undefined;
  /** For a reactor that is started again after a death; see kept-names.ts. */
  readonly names?: NamesToKeep | undefined;
  /** Called when a figure was above its bound. */
  readonly onViolation?: (violation: SloViolation) => void;
  /** Called with the first message for each name that reached nobody. */
  readonly onDrop: (error: PercoreError) => void;
}

const EPOLL: SourceChoice = { asked: 'epoll', wanted: 'epoll', decision: undefined };
const PHASE = partyLayout.fields.phase.at >> 2;
const PHASES = Object.keys(words.phase).map((name) => name.toLowerCase());
const SEEN_CHANGES = partyLayout.fields.seenChanges.at >> 2;

export class Party implements TurnSources, Stopping {
  readonly id: number;
  readonly shared: SharedRuntime;
  readonly nowNs: () => number;
  /** The clock of `timers`. */
  readonly clock: SystemClock | ManualClock;
  readonly turn: Turn;
  readonly lanes: Intercore;
  readonly calls: CallService;
  readonly answers: CallAnswers;
  /** For a reactor: how rooms above this one speak to the main thread. */
  toMain: ToMain | undefined;
  /** For a reactor: what its code has asked of the scheduler, and who on the main thread hears of it. */
  policy: PolicyGrant | undefined;
  tellPolicy: ((grant: PolicyGrant) => void) | undefined;
  readonly asking: Asking = new Asking(this);
  readonly dispatcher: Dispatcher;
  /** If the clock is manual, `timers` are not those that the turn drives. */
  readonly userTimers: Timers;
  readonly timers: Timers;
  readonly io: TimedIoCore;
  readonly userIo: Io;
  readonly stop: WindDown = new WindDown(this);
  readonly peers: Peers;
  /** The words of this party in shared memory. */
  readonly words: Int32Array;
  /** What happened here last. */
  readonly flight: FlightRecorder;

  readonly knock: (() => void) | undefined;

  private readonly addon: PartyNative;
  private readonly handle: TurnHandle;
  /** What ends with the party: queues that are read, the bus. */
  readonly leavers = new Set<{ leave(): void }>();
  private isReferenced = true;
  private hasBegun = false;
  private nextReactor = 0;
  /** What its I/O had lost when it was told to stop. */
  private lostBefore: number | undefined;

  constructor(shared: SharedRuntime, id: number, options: PartyOptions) {
    const inbox = shared.inboxes[id]!;
    const addon = (this.addon = options.native ?? native());
    const clock = new SystemClock({ originNs: shared.originNs });
    const nowNs = (this.nowNs = clock.nowNs);
    this.shared = shared;
    this.id = id;
    const manual = options.clock === 'manual' ? new ManualClock() : undefined;
    this.clock = manual ?? clock;
    this.words = partyWords(inbox);
    const flight = (this.flight = new FlightRecorder(nowNs));
    const { budget, publishEvery, discipline, classes } = options;
    const onError = (error: unknown, where: string): void => {
      flight.note('stepError', `${where}: ${messageOf(error)}`);
      options.onError(error, where);
    };
    const onDrop = (error: PercoreError): void => {
      flight.note('messageDropped', error.message);
      options.onDrop(error);
    };
    const onViolation = (violation: SloViolation): void => {
      flight.note('sloViolated', `${violation.task}: ${violation.figure} ${violation.ns} ns, ${violation.cause.kind}`);
      options.onViolation?.(violation);
    };
    const counters = partyCounters(inbox);
    const figures = shared.figures?.[id];
    const delivery = new Int32Array(deliveryLayout.bytes >> 2);
    const table = figures === undefined ? undefined : new FigureTable(figures);
    const onCollections = (tell: OnCollection): (() => void) => watchCollections(nowNs, tell);
    const watch: TaskWatch | undefined = table === undefined ? undefined : new TaskWatch({
      id, table, party: this.words, counters, delivery, nowNs,
      recorder: () => new WorstCases({
        id, nowNs, lastWake: () => watch!.lastWake(), report: onViolation,
        logCollections: () => logCollections(addon.collections, shared.originNs, nowNs),
        watchHalts: () => watchHalts(shared.originNs),
      }),
      trace: () => new RunTrace(table.trace(), onCollections),
    });
    const turn = (this.turn = new Turn({
      id, party: this.words, counters, delivery, budget, publishEvery, discipline, classes, nowNs, watch, onError,
    }));
    this.peers = new Peers(shared, (eventFd, to) => {
      turn.watch?.stampWake(partyWords(shared.inboxes[to]!), partyCounters(shared.inboxes[to]!));
      addon.wakers.wake(eventFd);
    }, options.coming);
    // As in noteDeaths().
    Atomics.store(this.words, SEEN_CHANGES, this.peers.seenChanges);
    const drops = new DropReports(id, shared.reactors, () => [...this.dispatcher.tasks.values()], onDrop);
    this.dispatcher = new Dispatcher(turn, this.peers, drops);
    this.lanes = new Intercore(turn, this.peers, this.dispatcher, options.names);
    const timerRequests = new Float64Array(timerRequestsLayout.bytes >> 3);
    const { next } = addon.turns;
    // Its name is seen in the traces of errors that promises have thrown.
    const runTurns = (): void => {
      do turn.run();
      while (next !== undefined && next(handle));
    };
    const handle: TurnHandle = (this.handle = addon.turns.create({
      inbox: new Uint8Array(inbox),
      delivery: turn.delivery,
      timerRequests,
      deliver: runTurns,
      eventFd: shared.eventFds[id]!,
      originNs: shared.originNs,
    }));
    const knock = (this.knock = addon.turns.knock === undefined ? undefined : () => addon.turns.knock!(handle));
    const schedule = turn.schedule.bind(turn);
    const report = turn.reportError.bind(turn);
    this.timers = new Timers({
      schedule, nowNs, timerRequests, delivery: turn.delivery, onError: report, counters: timerCounters(inbox),
      drainTimerRequests: () => addon.turns.drainTimers(handle),
      shareTimerRecords: (index, records) => addon.turns.shareTimers(handle, index, records),
      mustYield: (band) => turn.mustYield(band),
      knock,
    });
    this.userTimers = manual === undefined ? this.timers : timersBy(manual, report, timerCounters(inbox));
    // Time-outs of calls and connections are real, whatever the clock.
    this.calls = new CallService(this.lanes, this.timers, (isWaiting) => {
      if (!this.isReferenced) addon.turns.setReferenced(handle, isWaiting);
    });
    this.io = new TimedIoCore({
      schedule, nowNs, report,
      source: options.io ?? EPOLL,
      ...(options.onOtherSource === undefined ? {} : { onOtherSource: options.onOtherSource }),
      turnNs: () => turn.beganNs,
      counters: ioCounters(inbox),
      open: (isUring, { block, pool, outbox, counters }) => addon.turns.openSource(
        handle, isUring, block, pool, outbox, counters,
      ),
      // The turn keeps the thread alive.
      keepAlive: () => undefined,
    }, this.timers);
    this.userIo = new Io(this.io);
    this.answers = new CallAnswers(this.lanes, this.timers, this.asking);
    this.dispatcher.begin(this.calls, this.answers);
    turn.begin(this);
    // A refusal only means that this thread is not watched.
    if (shared.stallWatch !== undefined) {
      native().stalls?.join(shared.stallWatch, new Uint8Array(inbox), turn.steps);
    }
  }

  // ---- For its turn -----------------------------------------------------------------------------------------------

  noteDeaths(): void {
    const { peers } = this;
    if (!peers.takeChanges()) return;
    for (const id of peers.died) {
      this.flight.note('death', peers.nameOf(id));
      this.calls.rejectAll(id);
      this.answers.endAll(id, () => askerDied(id));
      this.lanes.forgetNames(id);
    }
    // Pairs with the runtime's load while it waits until nobody sends to a reactor that leaves.
    Atomics.store(this.words, SEEN_CHANGES, peers.seenChanges);
  }

  windDown(stopWord: number): void {
    // An entry that is still running has hooks to come, and tasks for what waits.
    if (stopWord === words.stop.DRAIN && !this.hasBegun) return;
    this.lostBefore ??= this.io.losses.bytes;
    this.stop.goOn(stopWord);
  }

  get tasks(): TurnSources['tasks'] {
    return this.dispatcher.tasks;
  }

  /** No turn comes any more. */
  get isClosed(): boolean {
    return this.peers.isClosed;
  }

  /** Reactors that there are now. */
  get reactors(): number {
    return this.peers.count;
  }

  // ---- Who is meant -----------------------------------------------------------------------------------------------

  /** The lane for a name: of the band that is given, else of this party's own task of that name. */
  outletTo(name: string, to: number | 'main', priority: number | undefined, firstLane: number): Outlet {
    const band = priority === undefined ? (this.dispatcher.tasks.get(name)?.band ?? DEFAULT_BAND) : checkBand(priority);
    return this.lanes.outlet(this.checkParty(to), firstLane + band);
  }

  /** A reactor's number; the number of places for reactors, or 'main', means the main thread. */
  checkParty(reactor: number | 'main'): number {
    const { reactors: main } = this.shared;
    if (reactor === 'main') return main;
    const { count } = this.peers;
    // Only reactors accept the main thread's own number, which they answer by the number that it has sent under; on the
    // main thread it would be a loop that went one too far.
    if (typeof reactor === 'number' && reactor >= 0 && (reactor | 0) === reactor
      && (reactor < count || (reactor === main && this.id !== main))) return reactor;
    const orMain = typeof reactor === 'number' ? '' : ", or 'main'";
    throw invalidArgument('reactor', reactor, `a whole number from 0 to ${count - 1}${orMain}`);
  }

  /** Each reactor that takes work, in turn; if none does, each reactor in turn. */
  nextLiving(): number {
    const { count } = this.peers;
    for (let tries = 0; tries < count; tries++) {
      this.nextReactor = this.nextReactor + 1 >= count ? 0 : this.nextReactor + 1;
      if (this.peers.isHere(this.nextReactor)) break;
    }
    return this.nextReactor;
  }

  ownerOfHash(hash: number): number {
    return this.peers.block.ownerOf(bucketOf(hash));
  }

  // ---- Tasks that end -----------------------------------------------------------------------------------------------

  /** See `Dispatcher.removeTask`. */
  removeTask(task: ValueTask | ByteTask, isKept = false): void {
    this.dispatcher.removeTask(task, isKept);
    if (task.takesBytes) this.lanes.forget(task);
  }

  // ---- Queues that are read as tasks --------------------------------------------------------------------------------

  read(end: ReadableEnd, name: string, band: number, concurrency: number, step: Stepping<unknown>['step']): Reading {
    const task = new LocalTask(this.turn, { name, band, capacity: 1, concurrency, takesBytes: false }, step);
    const reading = new QueueReading(this.turn, task, end, (ended) => void this.leavers.delete(ended));
    this.leavers.add(reading);
    return new Reading(reading);
  }

  // ---- Start and stop -----------------------------------------------------------------------------------------------

  /** The entry has run. */
  begin(): void {
    this.hasBegun = true;
    this.setPhase(words.phase.READY);
    this.dispatcher.release();
    // It may have been told to stop meanwhile.
    this.wantTurn();
  }

  setPhase(phase: number): void {
    // Plain: only this thread writes it.
    if (this.words[PHASE] !== phase) this.flight.note('phase', PHASES[phase]!);
    // Pairs with the runtime's load while it starts or closes.
    Atomics.store(this.words, PHASE, phase);
  }

  /** Keeps the thread alive (the default), or only while a call waits for its answer. */
  setRef(isReferenced: boolean): void {
    this.isReferenced = isReferenced;
    this.addon.turns.setReferenced(this.handle, isReferenced || this.calls.count > 0);
  }

  /** True when nothing is ready, waiting or under way. */
  isQuiet(): boolean {
    const { scheduler, steps, unpublished, waits } = this.turn;
    return scheduler.discipline.isEmpty && steps.unsettled === 0 && unpublished.count === 0
      && waits.isIdle() && this.calls.count === 0 && this.lanes.isEmpty();
  }

  /** True when it is quiet, and the kernel was given what I/O had taken. */
  isDrained(): boolean {
    // In this order: the last one gives the kernel what lies in the outbox, which the others may still fill.
    return this.isQuiet() && this.io.isQuiet();
  }

  /** Bytes that its I/O has lost since it was told to stop; see `Losses`. */
  get lostBytes(): number {
    return this.io.losses.bytes - (this.lostBefore ?? 0);
  }

  /** True when it is quiet, and no timer, listener or connection of it is open. */
  isIdle(): boolean {
    return this.isQuiet() && this.io.count === 0 && this.userTimers.count === 0;
  }

  wantTurn(): void {
    this.turn.wantTurn();
  }

  reportError(error: unknown, where: string): void {
    this.turn.reportError(error, where);
  }

  detach(): void {
    this.calls.close();
    this.answers.endAll(undefined, () => new PercoreError('ERR_PERCORE_CLOSED', 'the runtime was closed'));
    this.peers.isClosed = true;
    // Those who wait for room hear that nobody is there to wait for.
    this.turn.waits.look(true);
    this.turn.disciplines.close();
    this.turn.madeWatch?.leave();
    for (const leaver of this.leavers) leaver.leave();
    this.dispatcher.leave();
    // Before endpoints are closed: what their handlers, or the thread's `exit`, opened then would never be served.
    this.io.isOver = true;
    try {
      this.io.closeAll();
    } finally {
      this.addon.turns.stop(this.handle);
    }
  }
}

function timersBy(
  clock: ManualClock, onError: (error: unknown, where: string) => void, counters: Float64Array,
): Timers {
  const timers = createCounting(counters, { clock, onError });
  clock.drive(timers);
  return timers;
}
