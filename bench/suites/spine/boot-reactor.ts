/** Answers one call. */
import type { Reactor } from 'percore';

export type BootServices = { complement(word: number): number };

export default function start(reactor: Reactor<{ calls: BootServices }>): void {
  reactor.handle('complement', (word) => ~word);
}
