/** The few words that published JSON Schemas are written in. */

export type Schema = Readonly<Record<string, unknown>>;

/** A schema for every field, no more and no less: the compiler holds the two against each other. */
export type Fields<T> = { readonly [K in keyof T]-?: Schema };
export type Optional<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T];

export const TEXT = { type: 'string' };
export const TEXTS = { type: 'array', items: TEXT };
export const WHOLE = { type: 'integer', minimum: 0 };
export const COUNT = { type: 'integer', minimum: 1 };
export const about = (description: string, schema: Schema): Schema => ({ description, ...schema });
export const list = (items: Schema): Schema => ({ type: 'array', items });
export const words = <W extends string>(all: Readonly<Record<W, true>>): Schema => ({
  type: 'string',
  enum: Object.keys(all),
});

/** Every field is required but those named. */
export const object = <T>(properties: Fields<T>, optional: readonly Optional<T>[] = []): Schema =>
  fields(properties, optional);

/** The same for fields that nobody holds against a type here. */
export const fields = (properties: object, optional: readonly PropertyKey[] = []): Schema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((key) => !optional.includes(key)),
});
