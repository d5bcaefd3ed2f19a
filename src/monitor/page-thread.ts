/** The program of the thread that writes a counters page: see page-publisher.ts. */
import { closeSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import {
  ANSWERED, ASKED, IS_CLOSED, MAIN, OVER, SEQUENCE, THREAD, WRITER, type PageThreadStart, type QueueChange,
} from './page-publisher.js';
import { openPageFile } from './page-file.js';
import { PageWriter } from './page-writer.js';

const { path, source, control, queues } = workerData as PageThreadStart;

/** True once this thread is the writer; false if the page is closed before that. */
function takeOver(): boolean {
  for (;;) {
    // writer: pairs with publish() and end(); what the main thread has written is complete by then.
    const writer = Atomics.compareExchange(control, WRITER, MAIN, THREAD);
    if (writer === MAIN) return true;
    if (writer === OVER) return false;
    Atomics.wait(control, WRITER, writer);
  }
}

function run(): void {
  let fd: number;
  try {
    fd = openPageFile(path, 'write');
  } catch {
    // It was closed and removed before this thread had begun.
    return;
  }
  // A file of this name that was made after the close is another one: whoever closes says so before it removes the
  // file.
  if (takeOver()) {
    const writer = new PageWriter(fd, source);
    for (const { name, queue } of queues) writer.setQueue(name, queue);
    for (let isOver = false; !isOver;) {
      // asked, isClosed: pair with askThread() and end(); whatever was asked for until now is written below.
      const asked = Atomics.load(control, ASKED);
      isOver = Atomics.load(control, IS_CLOSED) === 1;
      let change: { message: unknown } | undefined;
      while ((change = receiveMessageOnPort(parentPort!)) !== undefined) {
        const { name, queue } = change.message as QueueChange;
        writer.setQueue(name, queue);
      }
      // sequence: this thread is the writer.
      Atomics.store(control, SEQUENCE, writer.write(Atomics.load(control, SEQUENCE), isOver));
      // answered: pairs with askThread().
      Atomics.store(control, ANSWERED, asked);
      Atomics.notify(control, ANSWERED);
      if (!isOver) Atomics.wait(control, ASKED, asked, source.everyMs);
    }
  }
  closeSync(fd);
}

run();
