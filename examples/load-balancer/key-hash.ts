/** The runtime's own key hash; a file of its own, so that programs without the runtime can be given the same one. */
export { hashKey } from 'percore';
