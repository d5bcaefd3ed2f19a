/** The page of a runtime, served by the program itself. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import type { Runtime } from '../reactor/index.js';
import { checkOpen, controllerOf } from '../reactor/internal.js';
import { PAGE_FOLDER, readPage } from './page-reader.js';
import { publishCounters } from './page.js';
import { serveSnapshots, type Inspection, type InspectionOptions } from './web-server.js';
import { untilClosed } from './until-closed.js';

/**
 * Serves a page that shows this runtime in a browser: throughput, latencies, cores, depths, what was late and why. It
 * listens on this machine alone unless `host` says otherwise, and answers whoever has the token in `url`. Figures of
 * tasks are shown if the runtime was made with `metrics`. The main thread serves, so a browser sees nothing new while
 * that thread is blocked; `percore web <pid>` serves from a process of its own. It ends with the runtime and does not
 * keep the program running. Rejects with ERR_PERCORE_SYSTEM if it cannot listen, ERR_PERCORE_CLOSED, or
 * ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const { url } = await serveInspection(runtime, { port: 9229 });
 *     console.log(url);
 */
export async function serveInspection(runtime: Runtime, options: InspectionOptions = {}): Promise<Inspection> {
  const controller = controllerOf(runtime);
  checkOpen(controller, 'serveInspection');
  const page = publishCounters(
    runtime, existsSync(PAGE_FOLDER) ? {} : { path: join(tmpdir(), `percore-${process.pid}-${randomUUID()}`) },
  );
  try {
    const inspection = await serveSnapshots(() => readPage(page.path), options);
    const end = untilClosed(controller, async () => {
      page.close();
      await inspection.close();
    });
    const close = async (): Promise<void> => void await end();
    return Object.defineProperties({ ...inspection, close }, {
      clients: { get: () => inspection.clients }, skipped: { get: () => inspection.skipped },
    });
  } catch (error) {
    page.close();
    throw error;
  }
}
