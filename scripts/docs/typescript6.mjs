// Typedoc needs the compiler as a library, which TypeScript 7 does not offer yet. So this gives it `typescript6` as
// `typescript`.
export const resolve = (specifier, context, next) =>
  next(specifier === 'typescript' ? 'typescript6' : specifier, context);
