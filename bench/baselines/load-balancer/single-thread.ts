/**
 * Baseline `single thread`: one event loop reads, works and writes. Nothing goes to another thread, and no second core
 * helps.
 */
import { hashKey } from '../../../examples/load-balancer/key-hash.js';
import { LineWork } from './line-work.js';
import { serve, steps } from './program.js';
import { ResultPage } from './result-page.js';

await serve(({ emit }) => {
  const work = new LineWork(0, steps);
  const page = new ResultPage(emit);
  return {
    line(bytes, band, keyStart, keyEnd, payloadStart, payloadEnd, seq) {
      page.reserve(keyEnd - keyStart);
      page.at = work.work(
        bytes, band, keyStart, keyEnd, payloadStart, payloadEnd, seq, hashKey(bytes, keyStart, keyEnd), page.bytes,
        page.at,
      );
    },
    endOfRead: () => page.flush(),
    isFull: () => false,
    isIdle: () => true,
    close: async () => undefined,
  };
});
