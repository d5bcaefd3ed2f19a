/**
 * The inside of a runtime: its reactors as members, the main thread's own party, and what it hears of them. Users see
 * it as `Runtime`.
 *
 *      starting --all ready--> running --close--> draining --all quiet, or drainMs over--> leaving --exits--> closed
 *      (starting.ts)                              (closing.ts)
 *
 * deaths.ts has what follows a death; roster.ts and scaling.ts add and remove reactors; controller-figures.ts has what
 * it tells.
 */
import { channel } from 'node:diagnostics_channel';
import type { EventEmitter } from 'node:events';
import { partyLayout } from '../layout.js';
import { native } from '../native.js';
import type { SloViolation } from '../observe/index.js';
import type { Policy } from '../realtime/index.js';
import { ControllerFigures } from './controller-figures.js';
import { Deaths, type DeathHost } from './deaths.js';
import { DisciplineChoices } from './discipline-choices.js';
import { errorOf } from './failure.js';
import { ForgottenWatch } from './forgotten.js';
import { setIdleStrategy, type IdleOptions } from './idle-strategy.js';
import { KeptNames } from './kept-names.js';
import { clearParty } from './lane-repair.js';
import { Member, type MemberHost } from './member.js';
import { summon } from './parking.js';
import { prepareMemory, STACK_BYTES } from './memory-options.js';
import { Party } from './party.js';
import { roomOf } from './room-channel.js';
import type { CloseResult, RuntimeEvents } from './runtime-events.js';
import type { RuntimeSettings } from './runtime-options.js';
import { Roster } from './roster.js';
import { partyWords, type SharedRuntime } from './shared.js';
import { Spares } from './spares.js';
import { Stalls } from './stalls.js';
import { workers, type SpareThread, type ThreadMaker } from './threads.js';

/** For those who listen to all runtimes of the process. */
const slo = channel('percore:slo');

export class Controller implements MemberHost, DeathHost {
  /** The thread that runs in each reactor's place, or the last that did. */
  readonly members: Member[] = [];
  readonly deaths: Deaths;
  readonly roster: Roster;
  /** What it tells of itself and its parties. */
  readonly figures: ControllerFigures;
  readonly spares: Spares;
  readonly shared: SharedRuntime;
  /** Undefined if nobody watches for stalls. */
  readonly stalls: Stalls | undefined;
  /** Settles when the reactors that were last asked for are there. Never rejects. */
  scaling: Promise<unknown> = Promise.resolve();
  /** The main thread as a party. */
  readonly main: Party;
  isStarted = false;
  closing: Promise<CloseResult> | undefined;
  /** What rooms above this one do when closing begins, before any reactor hears of it. */
  readonly beforeClosing: (() => void)[] = [];
  /** What rooms above this one have to end, once all reactors have left or were told to end. */
  readonly closers: (() => Promise<void>)[] = [];
  /** What rooms above this one do when a reactor was added: its entry has run, and all can name it. */
  readonly welcomers: ((id: number) => void)[] = [];
  /** What rooms above this one do when a reactor's thread has ended, which Node knew by this number. */
  readonly mourners: ((threadId: number) => void)[] = [];
  /** Threads of rooms above this one that were told to end, and have not. */
  threadsLeft = 0;
  /** What was chosen for all parties, and for one reactor alone. */
  readonly disciplines: DisciplineChoices;
  /** The policy of each reactor's thread, as it is started; setPolicy changes it. */
  readonly policyOf: Map<number, Policy> = new Map();
  /** A member has come closer to being ready. */
  onProgress: (() => void) | undefined;
  private isHeld = true;
  private forgotten: ForgottenWatch | undefined;
  events!: EventEmitter<RuntimeEvents>;
  private readonly names: KeptNames[] = [];

  constructor(
    readonly settings: RuntimeSettings, shared: SharedRuntime,
    private readonly threads: ThreadMaker = workers,
  ) {
    const { budget, publishEvery, discipline, classes, restart, startTimeoutMs, stall } = settings;
    if (stall !== undefined) {
      this.stalls = new Stalls(stall, shared.reactors, shared.originNs, (report) => {
        this.events.emit('stalled', report);
      });
    }
    this.shared = shared = this.stalls === undefined ? shared : { ...shared, stallWatch: this.stalls.number };
    this.spares = new Spares(threads, restart?.spare === true, settings.resourceLimits);
    this.deaths = new Deaths(this, restart, startTimeoutMs);
    this.disciplines = new DisciplineChoices(discipline);
    this.figures = new ControllerFigures(this, prepareMemory(settings.memory, shared));
    const { reactors: id } = shared;
    this.roster = new Roster(settings, shared, () => {
      for (const peer of shared.inboxes.keys()) this.summon(peer);
      this.main.noteDeaths();
    });
    try {
      this.main = new Party(shared, id, {
        budget,
        publishEvery,
        discipline,
        classes,
        // In the next tick, as reports of reactors come: what a listener throws must not reach the failed step.
        onError: (error, where) => process.nextTick(() => this.stepError(id, errorOf(error, id, where), where)),
        onDrop: (error) => process.nextTick(() => this.messageDropped(id, error)),
        onViolation: (violation) => this.sloViolated(violation),
      });
    } catch (error) {
      this.stalls?.close();
      throw error;
    }
  }

  /**
   * Starts a thread for each reactor; `events` hears of them from now on. Throws what starting one throws; those that
   * were started before it run by then.
   */
  startMembers(events: EventEmitter<RuntimeEvents>): void {
    this.events = events;
    for (let id = 0; id < this.settings.reactors; id++) this.members.push(this.startMember(id));
  }

  /** `coming`: where reactors are added, how many there are to be. */
  private startMember(id: number, spare?: SpareThread, coming?: number): Member {
    const {
      entry, data, pins, policies, memory, budget, publishEvery, classes, clock, source, resourceLimits, restart,
    } = this.settings;
    const discipline = this.disciplines.of(id);
    const options = { budget, publishEvery, discipline, classes, clock, io: source, coming };
    const names = restart === undefined ? undefined : (this.names[id] ??= new KeptNames()).lanes;
    const generation = this.roster.generation(id);
    const policy = this.policyOf.get(id) ?? policies[id];
    const stackBytes = memory.prefault ? STACK_BYTES : 0;
    const start = {
      shared: this.shared, cpu: pins[id], policy, stackBytes, entry, data, generation, names, options,
    };
    return new Member(id, start, resourceLimits, this, this.threads, spare);
  }

  /** Its reactors have no threads of their own. */
  get isSimulated(): boolean {
    return this.threads !== workers;
  }

  get isClosing(): boolean {
    return this.closing !== undefined;
  }

  // ---- For its members --------------------------------------------------------------------------------------------

  stepError(reactorId: number, error: Error, where: string): void {
    if (this.events.emit('stepError', { reactorId, error, where })) return;
    process.emitWarning(
      `reactor ${reactorId}, ${where}: ${error.stack ?? error.message}`, { code: 'ERR_PERCORE_STEP' },
    );
  }

  messageDropped(reactorId: number, error: Error): void {
    if (this.events.emit('messageDropped', { reactorId, error })) return;
    process.emitWarning(error.message, { code: 'ERR_PERCORE_NO_TASK' });
  }

  sloViolated(seen: SloViolation): void {
    const { reactorId, readyNs, endNs } = seen;
    const stall = this.stalls?.during(reactorId, readyNs, endNs);
    const violation = stall === undefined ? seen : { ...seen, stall };
    if (slo.hasSubscribers) slo.publish(violation);
    this.events.emit('sloViolated', violation);
  }

  message(reactorId: number, message: unknown): void {
    this.events.emit('message', { reactorId, message });
  }

  room(reactorId: number, room: string, body: unknown): void {
    roomOf(room)?.onMain(this, reactorId, body);
  }

  progressed(): void {
    this.onProgress?.();
  }

  name(reactorId: number, lane: number, number: number, text: string): void {
    this.names[reactorId]?.keep(lane, number, text);
  }

  exited(member: Member, exitCode: number): void {
    for (const mourn of this.mourners) mourn(member.threadId);
    this.deaths.exited(member, exitCode);
  }

  // ---- For reactors that are added and taken away -----------------------------------------------------------------

  /** Starts the thread of a reactor that is to be added, so that there are `count` in the end. */
  addMember(count: number): Member {
    const id = this.members.length;
    clearParty(this.shared.inboxes[id]!);
    this.roster.begin(id);
    let member: Member;
    try {
      member = this.startMember(id, undefined, count);
    } catch (error) {
      this.roster.leave(id);
      this.roster.forget(id);
      throw error;
    }
    this.members.push(member);
    if (!this.isHeld) member.unref();
    return member;
  }

  /** The last one's thread has ended. */
  forgetMember(): void {
    const { id } = this.members.pop()!;
    this.disciplines.forget(id);
    this.policyOf.delete(id);
    this.deaths.forget(id);
    this.roster.forget(id);
  }

  /** Starts another thread in the place of one that died. */
  startAgain(id: number): Member {
    const { messages } = this.members[id]!;
    const member = (this.members[id] = this.startMember(id, this.spares.next()));
    member.messages = messages;
    // Not before: it would take time from the one that is waited for. And none for a runtime that closes.
    const keep = (): void => {
      if (this.closing === undefined) this.spares.keep();
    };
    member.ready.then(keep, keep);
    if (!this.isHeld) member.unref();
    return member;
  }

  // ---- What it is told ----------------------------------------------------------------------------------------------

  setIdleStrategy(id: number, options: IdleOptions): void {
    setIdleStrategy(partyWords(this.shared.inboxes[id]!), options);
    // A sleeper would not look before its next message.
    this.summon(id);
  }

  /** Tells every reactor to stop: words.stop. */
  tellAll(stop: number): void {
    for (const { id } of this.members) this.tell(id, stop);
    this.summon(this.shared.reactors);
  }

  /** Tells one. */
  tell(id: number, stop: number): void {
    // stop.word: pairs with poll() in turn.cc; the summons follows, so that a sleeper sees it.
    Atomics.store(partyWords(this.shared.inboxes[id]!), partyLayout.fields.stop.at >> 2, stop);
    this.summon(id);
  }

  private summon(id: number): void {
    summon(partyWords(this.shared.inboxes[id]!), () => native().wakers.wake(this.shared.eventFds[id]!));
  }

  // ---- What keeps the program alive -------------------------------------------------------------------------------

  /** Whether the open runtime keeps the program running. */
  setHeld(isHeld: boolean): void {
    this.isHeld = isHeld;
    if (!isHeld) this.forgotten?.stop();
    this.hold(isHeld);
  }

  /** Warns of a runtime that nobody closes, from now until `setHeld(false)` or `stopWatching`. */
  watch(): void {
    if (!this.isHeld) return;
    this.forgotten = new ForgottenWatch({
      activity: () => this.figures.activity(),
      hold: (isHeld) => this.hold(isHeld),
      areReactorsIdle: async () => (await Promise.all(this.members.map((member) => member.isIdle()))).every(Boolean),
    });
  }

  stopWatching(): void {
    this.forgotten?.stop();
  }

  private hold(isHeld: boolean): void {
    for (const member of this.members) {
      if (isHeld) member.ref();
      else member.unref();
    }
    this.main.setRef(isHeld);
  }
}
