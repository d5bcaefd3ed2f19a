/** Answers with what it was asked, and also asks its peer, for calls from reactor to reactor. */
import type { Reactor } from 'percore';
import { answerAll } from './call-loop.js';

export type CallServices = {
  echo(argument: number): number;
  /** Calls reactor 0 so many times; returns the calls a second. */
  askPeer(calls: number): Promise<number>;
};

export default function start(reactor: Reactor<{ calls: CallServices }>): void {
  const toPeer = { reactor: 0 };
  reactor.handle('echo', (argument) => argument);
  reactor.handle('askPeer', (calls) => answerAll((argument) => reactor.call('echo', argument, toPeer), calls));
}
