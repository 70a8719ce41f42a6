/** The reviewer's answer as a CLI is asked for it: the published schema, in the strict form that all take. */
import { verdictSchema } from '../brief/verdict.js';
import { type Event, objectOf } from './cli.js';

/**
 * Every field required (null stands for an absent one) and none beside them, as OpenAI's strict mode wants it.
 * The word `mstone` is there since the prompt names it; `lenient`: an answer without it is one, too.
 */
export function askedSchema(lenient: boolean): object {
  const schema = strict(verdictSchema()) as {
    readonly properties: Event;
    readonly required: readonly string[];
  };
  return {
    ...schema,
    properties: { ...schema.properties, mstone: { type: 'string', enum: ['verdict'] } },
    required: schema.required.filter((name) => !(lenient && name === 'mstone')),
  };
}

function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  const object = objectOf(schema);
  if (object === undefined) return schema;
  const { $schema: _, minimum: _minimum, maximum: _maximum, ...rest } = object;
  const inner = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, strict(value)]));
  const properties = objectOf(inner.properties);
  if (properties === undefined) return inner;
  return { ...inner, required: Object.keys(properties), additionalProperties: false };
}
