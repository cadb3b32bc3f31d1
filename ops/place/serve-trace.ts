/** Serving a trace: which memory is committed and which is used while requests come, grow and go, under several pagers.
 *
 *  Prabhu et al. 2024, "vAttention", arXiv:2405.04437, sections 3 and 5.3. Under a pager that keeps freed memory, a request
 *  that ends leaves its pages mapped; a new one takes the freed place with the least room that is enough for its prompt, or
 *  else the largest, and places are unmapped only under pressure, the smallest first. */
import { type Pager, type TokenShape, tokenBytes } from './pager.ts';

export interface Request {
  /** Step in which it arrives with its prompt; it grows by one token in each step after. */
  arrives: number;
  promptTokens: number;
  answerTokens: number;
}
export interface Served {
  pager: string;
  /** After each step. */
  committedBytes: Float64Array;
  usedBytes: Float64Array;
  /** Share of what is committed that no token uses, 0 to 1. */
  waste: Float64Array;
  /** Requests that had to wait because memory was full, in steps waited, summed. */
  waitedSteps: number;
}

interface Room {
  request: Request | undefined;
  tokens: number;
  /** Tokens that its memory was mapped for. */
  mapped: number;
}

/** One row of results for each pager. `limit` is the memory in bytes. Throws where a request alone is larger. */
export function serveTrace(
  requests: readonly Request[],
  pagers: readonly Pager[],
  shape: TokenShape,
  limit: number = Number.POSITIVE_INFINITY,
): Served[] {
  for (const { arrives, promptTokens, answerTokens } of requests)
    if (![arrives, promptTokens, answerTokens].every((n) => Number.isInteger(n) && n >= 0))
      throw new RangeError(
        `serve: a request is ${JSON.stringify({ arrives, promptTokens, answerTokens })}; give whole numbers from 0`,
      );
  return pagers.map((pager) => serve(requests, pager, shape, limit));
}

function serve(requests: readonly Request[], pager: Pager, shape: TokenShape, limit: number): Served {
  const bytesOf = (tokens: number) => pager.committedBytes(tokens, shape);
  const waiting = requests.map((request) => ({ ...request })).sort((a, b) => a.arrives - b.arrives);
  for (const { promptTokens, answerTokens } of waiting)
    if (bytesOf(promptTokens + answerTokens) > limit)
      throw new RangeError(
        `serve: a request of ${promptTokens + answerTokens} tokens needs ${bytesOf(promptTokens + answerTokens)} bytes under ${pager.title} and the limit is ${limit}; raise it`,
      );
  let places: Room[] = [];
  const [committed, used, waste]: number[][] = [[], [], []];
  let waitedSteps = 0;
  const all = () => places.reduce((n, place) => n + bytesOf(place.mapped), 0);
  /** Room for `extra` more bytes; freed places are given up for it. */
  const makeRoom = (extra: number): boolean => {
    while (all() + extra > limit) {
      const idle = places.filter(({ request }) => !request).sort((a, b) => a.mapped - b.mapped)[0];
      if (!idle) return false;
      places = places.filter((place) => place !== idle);
    }
    return true;
  };
  const grow = (place: Room, tokens: number): boolean => {
    const mapped = Math.max(place.mapped, tokens);
    if (!makeRoom(bytesOf(mapped) - bytesOf(place.mapped))) return false;
    Object.assign(place, { tokens, mapped });
    return true;
  };
  for (let step = 0; waiting.length || places.some(({ request }) => request); step++) {
    for (const place of places) {
      const { request } = place;
      if (!request) continue;
      if (place.tokens < request.promptTokens + request.answerTokens) {
        if (!grow(place, place.tokens + 1)) waitedSteps++;
      } else Object.assign(place, { request: undefined, tokens: 0 });
    }
    if (!pager.keepsFreed) places = places.filter(({ request }) => request);
    while (waiting[0] && waiting[0].arrives <= step) {
      const place = placeFor(places, waiting[0].promptTokens) ?? { request: undefined, tokens: 0, mapped: 0 };
      if (!places.includes(place)) places.push(place);
      place.request = waiting[0];
      if (!grow(place, waiting[0].promptTokens)) {
        place.request = undefined;
        waitedSteps += waiting.filter(({ arrives }) => arrives <= step).length;
        break;
      }
      waiting.shift();
    }
    committed!.push(all());
    used!.push(places.reduce((n, { tokens }) => n + tokens * tokenBytes(shape), 0));
    waste!.push(committed!.at(-1) ? 1 - used!.at(-1)! / committed!.at(-1)! : 0);
    if (places.every(({ request }) => !request) && waiting[0] && waiting[0].arrives > step + 1_000_000)
      throw new RangeError(`serve: the next request arrives in step ${waiting[0].arrives}; start traces near step 0`);
  }
  return {
    pager: pager.title,
    committedBytes: Float64Array.from(committed!),
    usedBytes: Float64Array.from(used!),
    waste: Float64Array.from(waste!),
    waitedSteps,
  };
}

/** The freed place that fits best: the least room that is enough, or else the largest. */
function placeFor(places: readonly Room[], tokens: number): Room | undefined {
  const free = places.filter(({ request }) => !request).sort((a, b) => a.mapped - b.mapped);
  return free.find(({ mapped }) => mapped >= tokens) ?? free.at(-1);
}
