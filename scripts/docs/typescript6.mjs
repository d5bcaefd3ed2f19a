// Typedoc needs the compiler as a library, which TypeScript 7 does not offer yet: its `typescript` is `typescript6`.
export const resolve = (specifier, context, next) =>
  next(specifier === 'typescript' ? 'typescript6' : specifier, context);
