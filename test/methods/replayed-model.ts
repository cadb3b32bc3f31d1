/** A model that computes each projection of a prompt once. Methods that wait for the end of the prompt all read the same
 *  queries, keys and values there, so that only their attention and their keep pass have to run again. */
import type { Model, Projection } from '../../kernel/src/engine/model/load.ts';

export function replayedModel(model: Model): Model {
  const known = new Map<number, Promise<Projection>>();
  return {
    ...model,
    project: (layer, x, output, queries) => {
      const found = known.get(layer) ?? model.project(layer, x, output, queries);
      known.set(layer, found);
      return found;
    },
  };
}
