/**
 * A banded queue: two of its eight bands in use. No record may be left behind a clear bit when all is quiet, and each
 * band keeps its order. Record `n` (from 1) of band `b` holds the words b and n.
 */
import { explore, type Report, type Verdict } from '../../src/testing/explorer.js';
import { UNOBSERVED, assert, makeNotes, makeWorld, nameQueue, type Seed } from './world.js';

export interface BandedScenario {
  start?: number;
  /** Bands of the records, in the order in which they are sent. */
  sends: readonly number[];
  publishEvery?: number;
  quantum?: number;
  /** The producer closes behind its last record; the consumer reads until CLOSED. */
  closes?: boolean;
  seeds?: readonly Seed[];
}

const BANDS = 8;
const PRODUCER = 1;
const CONSUMER = 10;

export function bandedQueue(scenario: BandedScenario): Report {
  const { start = 0, sends, publishEvery = 1, quantum = 0, closes = false } = scenario;
  const world = makeWorld(scenario.seeds);
  const { memory, queues } = world;
  const queue = queues.create({ kind: 'banded', capacity: 2, recordBytes: 8, startSequence: start });
  nameQueue(world, queue);
  /** Of each band: the last record that was received. */
  const notes = makeNotes(world, BANDS);
  const producer = memory.as(PRODUCER, () => queues.pub(queue, { publishEvery: { records: publishEvery } }));
  const consumer = memory.as(CONSUMER, () => queues.sub(queue, { quantum }));
  const sending = { sent: 0 };
  const receiving = { received: 0, isClosed: false };
  const due = (band: number): number => sends.filter((each) => each === band).length;

  function produce(): Verdict {
    if (sending.sent === sends.length) {
      if (closes) producer.close();
      else producer.flush();
      return 'done';
    }
    const band = sends[sending.sent];
    const ring = producer.band(band);
    const at = ring.tryClaim();
    if (at < 0) return 'wait';
    sending.sent++;
    ring.words[ring.wordOf(at)] = band;
    ring.words[ring.wordOf(at) + 1] = sends.slice(0, sending.sent).filter((each) => each === band).length;
    const code = ring.commit();
    assert(code === queues.OK, () => `commit answered ${code}`);
  }

  // It never stops to look, but where nothing changes: what it has not received then lies behind a clear bit.
  function consume(): Verdict {
    if (receiving.isClosed || (!closes && receiving.received === sends.length)) return 'done';
    const count = consumer.drain((view, offset, _length, _type, band) => {
      const record = view.getInt32(offset + 4, true);
      assert(
        view.getInt32(offset, true) === band && record === notes[band] + 1,
        () => `received record ${record} of band ${view.getInt32(offset, true)} from band ${band} after ${notes[band]}`,
      );
      notes[band] = record;
      receiving.received++;
    });
    if (count === queues.CLOSED) receiving.isClosed = true;
    else if (count === 0) return 'wait';
  }

  return explore({
    memory,
    threads: [
      { name: 'producer', owns: [producer, sending], step: produce, unobserved: UNOBSERVED, threadId: PRODUCER },
      { name: 'consumer', owns: [consumer, receiving], step: consume, unobserved: UNOBSERVED, threadId: CONSUMER },
    ],
    atEnd() {
      for (let band = 0; band < BANDS; band++)
        assert(notes[band] === due(band), () => `${notes[band]} of ${due(band)} records of band ${band} were received`);
    },
  });
}
