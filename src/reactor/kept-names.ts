/**
 * What the numbers in a reactor's lanes stand for, kept by the main thread for the thread that follows a death. A name
 * travels once in a lane (see names.ts). After a death the waiting messages carry only its number, and both the thread
 * that heard the name and the one that sent it may be gone.
 *
 *      reactor: hears a name --'name', before it counts as taken--> main thread keeps it --death--> given to the next
 *
 * Bounded: MOST_NAMES for each lane. Kept only if reactors are started again.
 */

/** By lane as native code numbers it, then by number. */
export type KnownNames = ReadonlyMap<number, ReadonlyMap<number, string>>;

/** The reactor's half. */
export interface NamesToKeep {
  readonly known: KnownNames;
  readonly keep: (lane: number, number: number, text: string) => void;
}

/** The main thread's half, for one reactor. */
export class KeptNames {
  readonly lanes: Map<number, Map<number, string>> = new Map();

  keep(lane: number, number: number, text: string): void {
    let names = this.lanes.get(lane);
    if (names === undefined) this.lanes.set(lane, (names = new Map()));
    names.set(number, text);
  }
}
