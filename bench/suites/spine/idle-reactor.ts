/** A reactor with nothing to do. It answers, which proves that it was alive. */
import type { Reactor } from 'percore';

export type IdleServices = { echo(argument: number): number };

export default function start(reactor: Reactor<{ calls: IdleServices }>): void {
  reactor.handle('echo', (argument) => argument);
}
