/** The schedule that led to a state, and how it is written for people to read. */
import type { Past } from './thread-state.js';
import type { VirtualMemory } from './virtual-memory.js';

/** A list of what happened, from the newest step back to the first. */
export interface Trail {
  readonly before: Trail | null;
  readonly thread: string;
  /** The accesses that were made in one step, or a text for anything else, such as a death. */
  readonly happened: readonly Past[] | string;
}

/** One line for each access, in order. */
export function scheduleOf(memory: VirtualMemory, trail: Trail | null): readonly string[] {
  const lines: string[] = [];
  for (let at = trail; at !== null; at = at.before) {
    const { thread, happened } = at;
    if (typeof happened === 'string') lines.push(`${thread}: ${happened}`);
    else lines.push(...happened.map((past) => `${thread}: ${describe(memory, past)}`).reverse());
  }
  return lines.reverse();
}

/** `store ring.producerCursor = 1`, `load ring.consumerCursor -> 0`, `add eventfd+0 1 -> 0`. */
function describe(memory: VirtualMemory, { access, result }: Past): string {
  const what = `${access.verb} ${memory.nameOf(access.word)}`;
  switch (access.verb) {
    case 'write': case 'store': return `${what} = ${access.value}`;
    case 'read': case 'load': return `${what} -> ${result}`;
    case 'wait': return `${what} while ${access.expected}, but it is not`;
    case 'notify': return `${what}, where ${result} sleep`;
    case 'compareExchange': return `${what} ${access.expected} by ${access.value} -> ${result}`;
    default: return `${what} ${access.value} -> ${result}`;
  }
}
