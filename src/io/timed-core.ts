/** The core of a thread that has timers: that of a reactor or of `create`. A poller driven by hand has no timers. */
import type { Timers } from '../timers/index.js';
import { IoCore, type IoHost } from './core.js';

export class TimedIoCore extends IoCore {
  constructor(host: IoHost, readonly timers: Timers) {
    super(host);
  }
}
