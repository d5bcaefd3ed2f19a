/** A way to declare the type of a task's messages. It exists for the compiler alone and does nothing at run time. */

declare const taken: unique symbol;

/** The type of the messages that a task takes, as `takes<Order>()` declares it. Only the compiler looks at it. */
export interface Takes<M> {
  readonly [taken]?: (message: M) => void;
}

/**
 * Declares that a task takes messages of type `M`:
 *
 *     defineTopology({ …, tasks: { book: { on: 'one', module, takes: takes<Order>() } } });
 */
export function takes<M>(): Takes<M> {
  return {};
}
