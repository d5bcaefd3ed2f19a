/** `percore/timers`: the timers of a reactor. */
export { Timers, type AfterOptions, type EveryOptions, type Tick, type TickCallback, type TimersHost } from './timers.js';
export { noTimer, type TimerId } from './timer-id.js';
