/** Does the work in a reactor. */
import type { Reactor } from 'percore';
import { doNodeWork, type NodeWork, type NodeWorkResult } from './node-work.js';

export type NodeWorkServices = { work(work: NodeWork): Promise<NodeWorkResult> };

export default function start(reactor: Reactor<{ calls: NodeWorkServices }>): void {
  reactor.handle('work', doNodeWork);
}
