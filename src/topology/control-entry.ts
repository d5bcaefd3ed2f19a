/** An entry that opens the control of each reactor and nothing else: for programs that are made by messages alone. */
import type { Reactor } from '../reactor/index.js';
import { openControl } from './control.js';

/** The default export that `createRuntime` runs. */
export default function start(reactor: Reactor): void {
  openControl(reactor);
}
