/** The core of a thread that has timers: a reactor's, or that of `create`. A poller that is driven by hand has none. */
import type { Timers } from '../timers/index.js';
import { IoCore, type IoHost } from './core.js';

export class TimedIoCore extends IoCore {
  constructor(host: IoHost, readonly timers: Timers) {
    super(host);
  }
}
