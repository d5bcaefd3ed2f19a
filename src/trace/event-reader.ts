/**
 * From events to threads: reads the fields that the figures need, in place, and tells the threads that are followed.
 */
import type { CpuStream } from './cpu-stream.js';
import { parseStates, wordOf, type EventFormat } from './event-format.js';
import { emptySwitch, type FollowedThread, type Switch } from './followed-thread.js';

/** The events that are read, as folder and name below `events/`. */
export const EVENTS = {
  switch: 'sched/sched_switch', waking: 'sched/sched_waking', exit: 'sched/sched_process_exit',
  fork: 'sched/sched_process_fork', irqEntry: 'irq/irq_handler_entry', irqExit: 'irq/irq_handler_exit',
} as const;
export type EventName = keyof typeof EVENTS;

/** What a reader reports besides the figures of the threads. */
export interface ReaderEvents {
  onExit(thread: FollowedThread): void;
  onFork(parentTid: number, childTid: number): void;
}

const IS_HARD_INTERRUPT = 0x08;
const IS_SOFT_INTERRUPT = 0x10;
const INTERRUPTIBLE = 1;
/** Beyond this many names, all are learned anew. */
const MOST_NAMES = 16_384;

export class EventReader {
  /** Events of any kind, including those of threads that are not followed. */
  count = 0;
  private readonly names = new Names();
  /** One object, reused for each switch and wake-up. */
  private readonly change: Switch = emptySwitch();
  /** CPUs that are in the handler of a device's interrupt, as far as that can be seen. */
  private readonly inHandler = new Set<number>();
  private readonly ids: Readonly<Record<EventName, number>>;
  private readonly at: ReturnType<typeof placesOf>;
  private readonly preempted: number;

  constructor(
    formats: Formats, private readonly threads: ReadonlyMap<number, FollowedThread>,
    private readonly events: ReaderEvents,
  ) {
    this.ids = Object.fromEntries(Object.entries(formats).map(([name, { id }]) => [name, id])) as
      Record<EventName, number>;
    this.at = placesOf(formats);
    this.preempted = parseStates(formats.switch).preempted;
  }

  /**
   * Takes the current event of a stream. In a hole (`isBlind`) it takes only what holds without the events around it.
   * Allocates for new names and for a new worst case.
   */
  take(stream: CpuStream, isBlind: boolean): void {
    const { words, word } = stream;
    const common = words[word]!;
    const { ids } = this;
    this.count++;
    const id = common & 0xffff;
    if (id === ids.exit) {
      const thread = this.threads.get(words[word + this.at.exitPid]!);
      if (thread !== undefined) this.events.onExit(thread);
    } else if (id === ids.fork)
      this.events.onFork(words[word + this.at.forkParent]!, words[word + this.at.forkChild]!);
    else if (isBlind) return;
    else if (id === ids.switch) this.takeSwitch(stream);
    else if (id === ids.waking) this.takeWaking(stream, common >>> 16);
    else if (id === ids.irqEntry) this.takeInterrupt(stream, true);
    else if (id === ids.irqExit) this.takeInterrupt(stream, false);
  }

  private takeSwitch({ words, word, timeNs, cpu }: CpuStream): void {
    const { at, change, names } = this;
    const prevPid = words[word + at.prevPid]!;
    const nextPid = words[word + at.nextPid]!;
    const leaves = this.threads.get(prevPid);
    const comes = this.threads.get(nextPid);
    if (leaves === undefined && comes === undefined) return;
    const state = words[word + at.prevState]!;
    change.timeNs = timeNs;
    change.cpu = cpu;
    change.prev.pid = prevPid;
    change.prev.priority = words[word + at.prevPriority]!;
    change.prev.name = names.of(prevPid, words, word + at.prevName);
    change.next.pid = nextPid;
    change.next.priority = words[word + at.nextPriority]!;
    change.next.name = names.of(nextPid, words, word + at.nextName);
    change.isPreemption = (state & this.preempted) !== 0;
    change.isVoluntary = !change.isPreemption && state !== 0;
    change.isInterruptible = (state & INTERRUPTIBLE) !== 0;
    leaves?.onSwitchOut(change);
    comes?.onSwitchIn(change);
  }

  private takeWaking({ words, word, timeNs, cpu }: CpuStream, flags: number): void {
    const thread = this.threads.get(words[word + this.at.wakingPid]!);
    if (thread === undefined) return;
    const waker = this.change.prev;
    const isHard = (flags & IS_HARD_INTERRUPT) !== 0;
    // Whoever ran on that CPU had nothing to do with it.
    const isInterrupt = isHard || (flags & IS_SOFT_INTERRUPT) !== 0;
    waker.pid = isInterrupt ? -1 : words[word + 1]!;
    waker.name = isHard ? 'an interrupt' : isInterrupt ? 'a soft interrupt' : this.names.last(waker.pid);
    thread.onWaking(timeNs, cpu, words[word + this.at.wakingCpu]!, waker, isHard && !this.inHandler.has(cpu));
  }

  private takeInterrupt({ words, word, timeNs, cpu }: CpuStream, isEntry: boolean): void {
    if (isEntry) this.inHandler.add(cpu);
    else this.inHandler.delete(cpu);
    const irq = words[word + (isEntry ? this.at.entryIrq : this.at.exitIrq)]!;
    this.threads.get(words[word + 1]!)?.onInterrupt(timeNs, cpu, irq, isEntry);
  }

  /** Something was overwritten: whatever is under way in any thread is not counted. */
  forgetAll(): void {
    this.inHandler.clear();
    for (const thread of this.threads.values()) thread.forget();
  }
}

type Formats = Readonly<Record<EventName, EventFormat>>;

function placesOf({ switch: switches, waking, exit, fork, irqEntry, irqExit }: Formats) {
  return {
    prevPid: wordOf(switches, 'prev_pid'), prevPriority: wordOf(switches, 'prev_prio'),
    prevName: wordOf(switches, 'prev_comm'), prevState: wordOf(switches, 'prev_state'),
    nextPid: wordOf(switches, 'next_pid'), nextPriority: wordOf(switches, 'next_prio'),
    nextName: wordOf(switches, 'next_comm'),
    wakingPid: wordOf(waking, 'pid'), wakingCpu: wordOf(waking, 'target_cpu'), exitPid: wordOf(exit, 'pid'),
    forkParent: wordOf(fork, 'parent_pid'), forkChild: wordOf(fork, 'child_pid'),
    entryIrq: wordOf(irqEntry, 'irq'), exitIrq: wordOf(irqExit, 'irq'),
  };
}

interface Name {
  readonly first: number;
  readonly second: number;
  readonly third: number;
  readonly fourth: number;
  readonly text: string;
}

/** Names of threads. The text is made once for each thread and each change. */
class Names {
  private readonly byPid = new Map<number, Name>();

  of(pid: number, words: Int32Array, at: number): string {
    if (pid === 0) return 'idle';
    const name = this.byPid.get(pid);
    return name !== undefined && name.first === words[at] && name.second === words[at + 1]
      && name.third === words[at + 2] && name.fourth === words[at + 3] ? name.text : this.learn(pid, words, at);
  }

  private learn(pid: number, words: Int32Array, at: number): string {
    if (this.byPid.size >= MOST_NAMES) this.byPid.clear();
    const text = Buffer.from(words.buffer, words.byteOffset + 4 * at, 16).toString('utf8').split('\0', 1)[0]!;
    this.byPid.set(pid, {
      first: words[at]!, second: words[at + 1]!, third: words[at + 2]!, fourth: words[at + 3]!, text,
    });
    return text;
  }

  last(pid: number): string {
    return pid === 0 ? 'idle' : this.byPid.get(pid)?.text ?? '';
  }
}
