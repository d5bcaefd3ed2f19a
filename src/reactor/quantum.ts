/** How many messages or records run in a row before other tasks of the band get their turn. */
export const QUANTUM = 16;
