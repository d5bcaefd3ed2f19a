/** The backends of one thread: `deque` and `window`. Their state is found by the handle itself; see in-thread.ts. */
import { PercoreError } from '../../errors.js';
import { createDeque, type DequeOptions } from '../deque.js';
import { propertiesInThread, pubInThread, subInThread, type InThreadQueue } from '../in-thread.js';
import { createWindow, type WindowOptions } from '../window.js';
import type { QueueKind } from './queue-kind.js';

/** The verbs of a backend of one thread, whose handles `create` makes. */
function kindOf<Options>(
  create: (options: Options) => InThreadQueue<unknown>,
): QueueKind<InThreadQueue<unknown>, Options> {
  return {
    create,
    pub: pubInThread,
    sub: subInThread,
    close: (queue) => refuse('close', queue),
    recover: (queue) => refuse('recover', queue),
    inspect: propertiesInThread,
    hasPlace: () => false,
  };
}

export const deque: QueueKind<InThreadQueue<unknown>, DequeOptions> = kindOf(createDeque<unknown>);
export const window: QueueKind<InThreadQueue<unknown>, WindowOptions> = kindOf(createWindow<unknown>);

function refuse(verb: string, { backend }: InThreadQueue<unknown>): never {
  throw new PercoreError(
    'ERR_PERCORE_INVALID_ARGUMENT',
    `${verb}(queue) is for queues that threads share. A ${backend} has one thread, and ends when the last of its `
      + `producers calls close()`,
    { argument: 'queue' },
  );
}
