/**
 * What the controller of a runtime tells: the whole status, and the few figures by which it closes, scales, and finds
 * out that it was forgotten. All of it is read from shared memory, so no reactor is asked or stopped.
 */
import { capabilities } from '../capabilities.js';
import { BANDS, bucketsLayout, partyLayout, words } from '../layout.js';
import type { Deaths } from './deaths.js';
import type { DisciplineChoices } from './discipline-choices.js';
import { nameOf } from './disciplines.js';
import { interruptsOfThread, machineStatus } from './machine-status.js';
import type { Member } from './member.js';
import { memoryStatus } from './memory-options.js';
import type { Party } from './party.js';
import type { Roster } from './roster.js';
import type { RuntimeSettings } from './runtime-options.js';
import { partyCounters, partyWords, type SharedRuntime } from './shared.js';
import type { Stalls } from './stalls.js';
import { mainStatus, reactorStatus, type MainStatus, type ReactorStatus, type RuntimeStatus } from './status.js';

const SENT = partyLayout.fields.sent.at >> 3;
const RECEIVED = partyLayout.fields.received.at >> 3;
const LOST = partyLayout.fields.lost.at >> 3;
const STEPS = partyLayout.fields.steps.at >> 3;
const STEP_ERRORS = partyLayout.fields.stepErrors.at >> 3;
const PHASE = partyLayout.fields.phase.at >> 2;
const HELD_NOW = bucketsLayout.fields.waiting.at;

/** The controller, as far as it is told of here. */
export interface Told {
  readonly settings: RuntimeSettings;
  readonly shared: SharedRuntime;
  readonly members: readonly Member[];
  readonly main: Party;
  readonly deaths: Deaths;
  readonly roster: Roster;
  readonly stalls: Stalls | undefined;
  readonly disciplines: DisciplineChoices;
  readonly closing: Promise<unknown> | undefined;
}

export class ControllerFigures {
  /** `memoryRefusals`: why what was asked of memory was not granted. */
  constructor(private readonly of: Told, private readonly memoryRefusals: readonly string[]) {}

  status(): RuntimeStatus {
    const { settings, shared, members, disciplines, stalls } = this.of;
    const { cpus, asked, decisions, memory } = settings;
    return {
      capabilities: capabilities(),
      cpus,
      machine: machineStatus(),
      memory: memoryStatus(memory, this.memoryRefusals),
      discipline: nameOf(disciplines.all),
      reactorsAsked: asked,
      decisions: [...decisions],
      reactors: members.map((member) => {
        const status = this.statusOf(member);
        return { ...status, interrupts: interruptsOfThread(status.cpuGranted) };
      }),
      main: this.statusOfMain(),
      stall: stalls?.status(),
      sharedBytes: shared.runtime.byteLength + shared.topics.byteLength + shared.inboxes.reduce(
        (sum, inbox) => sum + inbox.byteLength, 0,
      ),
      node: process.version,
    };
  }

  statusOf(member: Member): Omit<ReactorStatus, 'interrupts'> {
    const { settings, shared, deaths, roster } = this.of;
    const { id, isDead, grants, policy, messages, threadId, discipline } = member;
    const isRestarting = deaths.isRestarting(member);
    return reactorStatus(shared, id, {
      isDead: isDead && !isRestarting,
      isDrained: roster.isDrained(id),
      isRestarting,
      generation: roster.generation(id),
      restarts: deaths.restartsOf(id),
      grants, policy, messages, threadId,
      whyNoSpin: roster.whyNoSpin(id),
      pinRefusal: settings.pinRefusals[id],
      scheduling: { discipline: discipline.inForce, classes: settings.classes },
    });
  }

  private statusOfMain(): MainStatus {
    const { settings, shared, main } = this.of;
    return mainStatus(shared, { discipline: main.turn.disciplines.inForce, classes: settings.classes });
  }

  /** Messages that are committed and not yet taken, over all parties. */
  inFlight(): number {
    let count = 0;
    for (const inbox of this.of.shared.inboxes) {
      const counters = partyCounters(inbox);
      count += counters[SENT]! - counters[LOST]! - counters[RECEIVED]!;
    }
    return Math.max(0, count);
  }

  /** Messages that senders hold because their bucket moves: those of one party, or of all. */
  held(id?: number): number {
    const { buckets } = this.of.shared;
    const memories = id === undefined ? buckets : [buckets[id]!];
    return memories.reduce((sum, memory) => sum + new Float64Array(memory, HELD_NOW, 1)[0]!, 0);
  }

  /**
   * What changes when anything happens; undefined while something is under way. Reads counters alone: it is asked each
   * second or so, and the whole status costs an idle program a millisecond.
   */
  activity(): string | undefined {
    const { members, shared, main, closing } = this.of;
    const isAsleep = closing === undefined && this.inFlight() === 0 && main.isQuiet()
      && members.every((member) => this.isAtWork(member));
    if (!isAsleep) return undefined;
    const figures = members.flatMap(({ id, messages }) => {
      const counters = partyCounters(shared.inboxes[id]!);
      return [
        counters[SENT], counters[RECEIVED], counters[STEP_ERRORS], messages, ...counters.subarray(STEPS, STEPS + BANDS),
      ];
    });
    const ofMain = partyCounters(shared.inboxes[main.id]!);
    return [ofMain[SENT], ofMain[RECEIVED], ...figures].join();
  }

  /** It is ready, and may be drained. */
  private isAtWork(member: Member): boolean {
    const { deaths, shared } = this.of;
    // Pairs with setPhase(); any recent value is right.
    const phase = Atomics.load(partyWords(shared.inboxes[member.id]!), PHASE);
    return phase === words.phase.READY && !member.isDead && !deaths.isRestarting(member);
  }
}
