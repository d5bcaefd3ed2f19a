/** The backend `pipe`: an operating-system pipe or FIFO. See pipe.ts. */
import { PercoreError, checkOptions } from '../../errors.js';
import { closePipe, createPipe, propertiesOfPipe, pubPipe, subPipe, type PipeQueueOptions } from '../pipe.js';
import type { PipeQueue } from '../pipe-memory.js';
import type { QueueKind } from './queue-kind.js';

/** See the head of this file. */
export const pipe: QueueKind<PipeQueue, PipeQueueOptions> = {
  create: (options) => createPipe(options),
  pub: (queue, options) => pubPipe(queue, options),
  sub(queue, options) {
    checkOptions('options', options, []);
    return subPipe(queue);
  },
  close: (queue) => closePipe(queue),
  recover() {
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      'recover(queue, worker) is for queues made of rings: the system closes the pipe of a worker that has exited',
      { argument: 'queue' },
    );
  },
  inspect: propertiesOfPipe,
  hasPlace: () => false,
};
