/** What a task takes, said in a declaration for the compiler alone. */

declare const taken: unique symbol;

/** Says what messages a task takes, for the compiler alone: `takes: takes<Order>()`. */
export interface Takes<M> {
  readonly [taken]?: (message: M) => void;
}

/** See `Takes`. */
export function takes<M>(): Takes<M> {
  return {};
}
