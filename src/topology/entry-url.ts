/** Where the entry is that opens the control of each reactor: beside this module, also in the package. */

/**
 * An entry for `createRuntime` that opens the control of each reactor and nothing else: for topologies whose programs
 * are all in modules of their own. A bundled application names an entry of its own that calls `openControl(reactor)`.
 */
export const controlEntry: URL = new URL('./control-entry.js', import.meta.url);
