/** The tables of reactors and timers: see layout.ts. */
import type { Structure } from './layout-fields.js';
import { ioCountersLayout } from './layout-io.js';

/**
 * The counters of one thread's timers. In a reactor they are a part of its Party; elsewhere they have their own memory.
 */
export const timerCountersLayout = {
  name: 'TimerCounters',
  bytes: 32,
  fields: {
    live: {
      at: 0, type: 'f64', writes: 'native', reads: 'all', status: 'timers.live', unit: 'count', isGauge: true,
      means: 'timers whose deadline is still to come',
    },
    fired: {
      at: 8, type: 'f64', writes: 'timers', reads: 'all', status: 'timers.fired', unit: 'count',
      means: 'callbacks run',
    },
    late: {
      at: 16, type: 'f64', writes: 'timers', reads: 'all', status: 'timers.late', unit: 'count',
      means: 'callbacks run a millisecond or more after their deadline',
    },
    missed: {
      at: 24, type: 'f64', writes: 'timers', reads: 'all', status: 'timers.missed', unit: 'count',
      means: 'ticks of repeating timers that came due while an earlier one could not run',
    },
  },
} as const satisfies Structure;

/** What one party (a reactor or the main thread) shows to the others. It is the beginning of the party's inbox. */
export const partyLayout = {
  name: 'Party',
  bytes: 1792,
  fields: {
    magic: {
      at: 0, type: 'i32', writes: 'runtime, last', reads: 'all',
      means: 'PARTY_MAGIC once the block is complete',
    },
    version: { at: 4, type: 'i32', writes: 'runtime', reads: 'all', means: 'LAYOUT_VERSION' },
    id: {
      at: 8, type: 'i32', writes: 'runtime', reads: 'all',
      means: 'number of the party; the main thread comes last',
    },
    parties: { at: 12, type: 'i32', writes: 'runtime', reads: 'all', means: 'reactors and the main thread' },
    laneBytes: { at: 16, type: 'i32', writes: 'runtime', reads: 'all', means: 'bytes of records in each lane' },
    isCpuShared: {
      at: 20, type: 'i32', writes: 'runtime', reads: 'owner',
      means: '1: it shares its CPU with another working thread, so it never spins',
    },
    attention: {
      at: 128, type: 'i32', writes: 'owner; a waker exchanges PARKED for AWAKE', reads: 'all',
      means: 'PARKED -1; 0 to 7: the band that is running; AWAKE 8',
    },
    yieldRequested: {
      at: 256, type: 'i32', writes: 'all set, owner clears', reads: 'owner',
      means: '1: look at lanes, timers and I/O before the next step',
    },
    stop: { at: 384, type: 'i32', writes: 'runtime', reads: 'owner', means: 'Stop: RUN 0, DRAIN 1, LEAVE 2' },
    lanesVersion: {
      at: 512, type: 'i32', writes: 'any producer adds', reads: 'owner',
      means: 'grows with each lane that is made towards this party',
    },
    idleStrategy: { at: 640, type: 'i32', writes: 'runtime or owner', reads: 'owner', means: 'IdleStrategy code' },
    spinNs: {
      at: 644, type: 'i32', writes: 'runtime or owner', reads: 'owner',
      means: 'longest spin before parking, nanoseconds',
    },
    ioIntervalNs: {
      at: 648, type: 'i32', writes: 'runtime or owner', reads: 'owner',
      means: 'the longest time before it returns to libuv, nanoseconds',
    },
    gatherNs: {
      at: 652, type: 'i32', writes: 'runtime or owner', reads: 'owner',
      means: 'how long arrivals of I/O gather after the last ones before they are taken, nanoseconds',
    },
    phase: {
      at: 768, type: 'i32', writes: 'owner', reads: 'runtime',
      means: 'Phase: STARTING 0, READY 1, DRAINING 2, QUIET 3, LEFT 4',
    },
    seenChanges: {
      at: 772, type: 'i32', writes: 'owner', reads: 'runtime',
      means: 'the value of changes in the runtime block that it has seen and acts by',
    },
    isLevel: {
      at: 776, type: 'i32', writes: 'owner', reads: 'owner',
      means: '1: a real-time level. It sleeps within its turn, and wakes early for timers: see native/turn.cc',
    },
    restEveryNs: {
      at: 780, type: 'i32', writes: 'owner', reads: 'owner',
      means: 'a real-time level rests after so much work: see native/level_rest.h; 0: never',
    },
    restNs: { at: 784, type: 'i32', writes: 'owner', reads: 'owner', means: 'for so long, nanoseconds' },
    turns: {
      at: 896, type: 'f64', writes: 'owner', reads: 'runtime', status: 'turns', unit: 'count',
      means: 'calls into JavaScript',
    },
    parks: {
      at: 904, type: 'f64', writes: 'owner', reads: 'runtime', status: 'parks', unit: 'count',
      means: 'times it slept',
    },
    wakes: {
      at: 912, type: 'f64', writes: 'owner', reads: 'runtime', status: 'wakes', unit: 'count',
      means: 'wake-ups by an eventfd that it has seen',
    },
    busyNs: {
      at: 920, type: 'f64', writes: 'owner', reads: 'runtime', status: 'busyNs', unit: 'ns',
      means: 'time inside turns',
    },
    turnNs: {
      at: 928, type: 'f64', writes: 'owner', reads: 'owner',
      means: 'when the present turn began, nanoseconds since the runtime began',
    },
    steps: {
      at: 936, type: 'f64', count: 8, writes: 'owner', reads: 'runtime', status: 'steps', unit: 'count',
      means: 'steps run in each band, 0 to 7',
    },
    stepErrors: {
      at: 1000, type: 'f64', writes: 'owner', reads: 'runtime', status: 'stepErrors', unit: 'count',
      means: 'steps that threw',
    },
    sent: {
      at: 1008, type: 'f64', writes: 'owner', reads: 'runtime', status: 'sent', unit: 'count',
      means: 'records committed to lanes',
    },
    received: {
      at: 1016, type: 'f64', writes: 'owner', reads: 'runtime', status: 'received', unit: 'count',
      means: 'records taken from lanes',
    },
    refused: {
      at: 1024, type: 'f64', writes: 'owner', reads: 'runtime', status: 'refused', unit: 'count',
      means: 'sends and calls that it made and no lane took, for whatever reason',
    },
    dropped: {
      at: 1032, type: 'f64', writes: 'owner', reads: 'runtime', status: 'dropped', unit: 'count',
      means: 'messages that reached nobody here, for whatever reason',
    },
    callsInFlight: {
      at: 1040, type: 'f64', writes: 'owner', reads: 'runtime', status: 'callsInFlight', unit: 'count', isGauge: true,
      means: 'calls that it made and that have no answer yet',
    },
    libuvTurns: {
      at: 1048, type: 'f64', writes: 'owner', reads: 'runtime', status: 'libuvTurns', unit: 'count',
      means: 'passes of libuv',
    },
    droppedNoTask: {
      at: 1056, type: 'f64', writes: 'owner', reads: 'runtime', status: 'droppedByReason.noTask', unit: 'count',
      means: 'messages for a name that no task here has',
    },
    droppedNotBytes: {
      at: 1064, type: 'f64', writes: 'owner', reads: 'runtime', status: 'droppedByReason.notBytes', unit: 'count',
      means: 'values for a task that takes bytes',
    },
    droppedLateCalls: {
      at: 1072, type: 'f64', writes: 'owner', reads: 'runtime', status: 'droppedByReason.lateCalls', unit: 'count',
      means: 'calls for which nobody waited any longer when their turn came',
    },
    droppedLateAnswers: {
      at: 1080, type: 'f64', writes: 'owner', reads: 'runtime', status: 'droppedByReason.lateAnswers', unit: 'count',
      means: 'answers to calls that had been given up',
    },
    waitingBytes: {
      at: 1088, type: 'f64', writes: 'owner', reads: 'runtime', status: 'waitingBytes', unit: 'bytes', isGauge: true,
      means: 'its calls and answers that wait for room in a lane',
    },
    refusedNoRoom: {
      at: 1096, type: 'f64', writes: 'owner', reads: 'runtime', status: 'refusedByReason.noRoom', unit: 'count',
      means: 'refused with BACK_PRESSURED: the lane is full, or others wait for room in it',
    },
    refusedClosed: {
      at: 1104, type: 'f64', writes: 'owner', reads: 'runtime', status: 'refusedByReason.closed', unit: 'count',
      means: 'refused with CLOSED: the receiver has died',
    },
    refusedTooLarge: {
      at: 1112, type: 'f64', writes: 'owner', reads: 'runtime', status: 'refusedByReason.tooLarge', unit: 'count',
      means: 'refused with TOO_LARGE: it would never fit into the lane',
    },
    taskDepth: {
      at: 1120, type: 'f64', writes: 'owner', reads: 'runtime', status: 'taskDepth', unit: 'count', isGauge: true,
      means: 'messages that it sent to its own tasks and that wait in their mailboxes, as of a millisecond ago',
    },
    timers: {
      at: 1128, type: 'f64', count: timerCountersLayout.bytes >> 3, writes: 'owner', reads: 'runtime',
      means: 'TimerCounters',
    },
    io: {
      at: 1160, type: 'f64', count: ioCountersLayout.bytes >> 3, writes: 'owner', reads: 'runtime',
      means: 'IoCounters',
    },
    stepNs: {
      at: 1280, type: 'f64', count: 8, writes: 'owner', reads: 'runtime', status: 'stepNs', unit: 'ns',
      means: 'time in the quanta of each band, 0 to 7; measured where classes are declared or shares are charged',
    },
    collectedNs: {
      at: 1344, type: 'f64', count: 8, writes: 'owner', reads: 'runtime', status: 'collectedNs', unit: 'ns',
      means: 'the part of stepNs that was garbage collection, by band',
    },
    collectorNs: {
      at: 1408, type: 'f64', writes: 'owner', reads: 'runtime', status: 'collectorNs', unit: 'ns',
      means: 'garbage collections of the thread; measured as stepNs is',
    },
    callsOfDead: {
      at: 1416, type: 'f64', writes: 'owner', reads: 'all',
      means: 'calls that those who have died in its place have made: nobody waits for their answers; written for it '
        + 'while nobody has the place',
    },
    lost: {
      at: 1424, type: 'f64', writes: 'owner', reads: 'runtime', status: 'lost', unit: 'count',
      means: 'messages that it had committed and not published when it died, or was sent and had not run when it was '
        + 'taken away',
    },
    callsMade: {
      at: 1432, type: 'f64', writes: 'owner', reads: 'owner',
      means: 'calls made by it and by the threads that had its place before; the next call gets the number after',
    },
    lookedNs: {
      at: 1440, type: 'f64', writes: 'owner', reads: 'owner',
      means: 'when it last looked at its sources before the present turn; what this turn found came after that',
    },
    wokeNs: {
      at: 1448, type: 'f64', writes: 'owner', reads: 'owner', means: 'when it awoke from its last sleep',
    },
    restedNs: {
      at: 1456, type: 'f64', writes: 'owner', reads: 'runtime',
      means: 'how long it has rested, as a real-time level that always has something to do',
    },
    beforeNs: {
      at: 1464, type: 'f64', writes: 'owner', reads: 'owner', means: 'when the turn before the present one began',
    },
    endedNs: { at: 1472, type: 'f64', writes: 'owner', reads: 'owner', means: 'when the last turn ended' },
    wokenNs: {
      at: 1536, type: 'f64', writes: 'whoever wakes it', reads: 'owner',
      means: 'when somebody last woke it, where figures are taken',
    },
    wokenBy: {
      at: 1544, type: 'i32', writes: 'whoever wakes it', reads: 'owner', means: 'the party that woke it last, plus 1',
    },
    stalls: {
      at: 1664, type: 'f64', writes: 'the watcher of stalls', reads: 'runtime', status: 'stalls', unit: 'count',
      means: 'steps, and callbacks between turns, that were found to hold the thread longer than `stall` allows',
    },
  },
} as const satisfies Structure;

/** What all parties need to know: who is there, and who owns which bucket. */
export const runtimeLayout = {
  name: 'Runtime',
  bytes: 6528,
  fields: {
    magic: {
      at: 0, type: 'i32', writes: 'runtime, last', reads: 'all',
      means: 'RUNTIME_MAGIC once the block is complete',
    },
    version: { at: 4, type: 'i32', writes: 'runtime', reads: 'all', means: 'LAYOUT_VERSION' },
    parties: { at: 8, type: 'i32', writes: 'runtime', reads: 'all', means: 'reactors and the main thread' },
    changes: {
      at: 128, type: 'i32', writes: 'runtime', reads: 'all',
      means: 'grows with each change of a word below; whoever sees that looks at presence and generation',
    },
    reactors: {
      at: 132, type: 'i32', writes: 'runtime', reads: 'all',
      means: 'how many reactors there are now; those from this number on are ABSENT',
    },
    presence: {
      at: 256, type: 'i32', count: 256, writes: 'runtime', reads: 'all',
      means: 'Presence. HERE 0; AWAY 1: nobody chooses it, and what is sent to it waits; DEAD 2: for good; ABSENT 3',
    },
    bucketOwner: {
      at: 1408, type: 'i32', count: 1024, writes: 'runtime', reads: 'all',
      means: 'the reactor that owns the bucket',
    },
    generation: {
      at: 5504, type: 'i32', count: 256, writes: 'runtime', reads: 'all',
      means: 'how many threads of this reactor have died; grows at the exit event of the worker',
    },
  },
} as const satisfies Structure;

/** What all parties need to know about keyed messages. A slot is one stage of one bucket: stage * 1,024 + bucket. */
export const slotsLayout = {
  name: 'Slots',
  bytes: 32896,
  fields: {
    stages: { at: 0, type: 'i32', writes: 'all set', reads: 'runtime', means: 'one bit for each stage that is used' },
    word: {
      at: 128, type: 'i32', count: 8192, writes: 'runtime; the next owner, at the end of a move', reads: 'all',
      means: 'who owns the slot: owner (8 bits), next owner (8), 1 while it moves, generation (15)',
    },
  },
} as const satisfies Structure;

/**
 * What one party knows about the slots, as a sender and as an owner. `taken[parties][8192]`, with 32 bits each, follows
 * this structure; the party writes it as an owner: how many messages of each slot it has taken from each sender. It is
 * all zero at first.
 */
export const bucketsLayout = {
  name: 'Buckets',
  bytes: 41344,
  fields: {
    sent: {
      at: 0, type: 'i32', count: 8192, writes: 'sender', reads: 'owners',
      means: 'messages of each slot that this party has sent to its owner of the time; wraps',
    },
    busyNs: {
      at: 32768, type: 'f64', count: 1024, writes: 'owner', reads: 'runtime',
      means: 'time that this party has spent on each bucket, extrapolated from a sample of its messages',
    },
    held: {
      at: 40960, type: 'f64', writes: 'owner', reads: 'runtime',
      means: 'messages that this party has ever held because their bucket was moving',
    },
    waiting: {
      at: 40968, type: 'f64', writes: 'owner', reads: 'runtime',
      means: 'messages that this party holds now',
    },
    lost: {
      at: 41088, type: 'f64', writes: 'owner', reads: 'runtime',
      means: 'messages lost by a death, as counted by the next owner',
    },
    bands: {
      at: 41216, type: 'i32', count: 8, writes: 'sender', reads: 'owners',
      means: 'one bit for each band in which this party sends messages of the stage',
    },
  },
} as const satisfies Structure;

/** What native code hands to JavaScript in one turn: lanes, then timers. It is all in one thread, without atomics. */
export const deliveryLayout = {
  name: 'Delivery',
  bytes: 36928,
  fields: {
    lanes: { at: 0, type: 'i32', writes: 'native', reads: 'turn', means: 'ready lanes that follow' },
    timers: { at: 4, type: 'i32', writes: 'native', reads: 'turn', means: 'expired timers that follow' },
    stop: { at: 12, type: 'i32', writes: 'native', reads: 'turn', means: 'the stop word as native code saw it' },
    hasMore: {
      at: 16, type: 'i32', writes: 'turn', reads: 'native',
      means: '1: tasks are ready, come back without sleeping',
    },
    timerRequests: { at: 20, type: 'i32', writes: 'both', reads: 'both', means: 'requests waiting in TimerRequests' },
    isSummoned: { at: 24, type: 'i32', writes: 'both', reads: 'turn', means: '1: yieldRequested was seen and cleared' },
    tellLongNs: {
      at: 28, type: 'i32', writes: 'turn', reads: 'native',
      means: 'after a turn that takes this long another follows, which is told how long it was; 0: never',
    },
    isPassedOver: {
      at: 32, type: 'i32', writes: 'native', reads: 'turn',
      means: '1: no figure needs the turn before this one',
    },
    mayPassOver: {
      at: 36, type: 'i32', writes: 'both', reads: 'both',
      means: 'how many more runs no figure needs, until one is recorded for all of them',
    },
    tellNext: {
      at: 40, type: 'i32', writes: 'both', reads: 'native',
      means: '1: figures need the present turn, so the next one is not to pass it over',
    },
    lane: { at: 64, type: 'i32', count: 4096, writes: 'native', reads: 'turn', means: 'lane numbers' },
    timer: { at: 16448, type: 'i32', count: 1024, writes: 'native', reads: 'turn', means: 'timer ids' },
    isMuted: {
      at: 20544, type: 'i32', count: 4096, writes: 'turn', reads: 'native',
      means: '1: records of this lane wait for room elsewhere; do not report it',
    },
  },
} as const satisfies Structure;

/**
 * Requests to the wheel, which JavaScript gathers and the next poll drains: pairs of id and deadline (negative:
 * disarm).
 */
export const timerRequestsLayout = {
  name: 'TimerRequests',
  bytes: 16384,
  fields: {
    pair: {
      at: 0, type: 'f64', count: 2048, writes: 'turn', reads: 'native',
      means: 'id, deadline in nanoseconds; a negative deadline disarms',
    },
  },
} as const satisfies Structure;

/**
 * One timer: what the wheel keeps of it and what JavaScript keeps of it. Two fit into a cache line. Only one thread
 * uses it. A record that is all zero has never been used.
 */
export const timerRecordLayout = {
  name: 'TimerRecord',
  bytes: 32,
  fields: {
    wheel: {
      at: 0, type: 'i32', count: 5, writes: 'native', reads: 'native',
      means: 'the wheel\'s own: deadline, links, order',
    },
    meta: {
      at: 20, type: 'i32', writes: 'timers', reads: 'timers',
      means: 'generation, state and band: see timer-table.ts',
    },
    deadlineNs: {
      at: 24, type: 'f64', writes: 'timers', reads: 'timers',
      means: 'when it is due, as it was last asked for',
    },
  },
} as const satisfies Structure;
