/**
 * Node's own sockets, loaded when they are first needed: they would cost every reactor 2 ms of its start. One thread.
 */
export const nodeNet = (): typeof import('node:net') => process.getBuiltinModule('node:net');
