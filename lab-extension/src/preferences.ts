/** What the user has set for all labs of the page: colours, depth, how often is drawn. */
import { type Depth, depths } from 'kvlab/frame';

/** `jupyterlab` follows the theme of the page; the others hold theirs. */
export const colourChoices = ['jupyterlab', 'light', 'dark', 'contrast'] as const;
export type Colours = (typeof colourChoices)[number];

export interface Preferences {
  readonly colours: Colours;
  readonly depth: Depth;
  /** Most redraws of a panel in a second. */
  readonly framesPerSecond: number;
  /** True for two redraws a second at most, whatever the system says. */
  readonly reducedMotion: boolean;
}

export const defaultPreferences: Preferences = {
  colours: 'jupyterlab',
  depth: 'researcher',
  framesPerSecond: 15,
  reducedMotion: false,
};

let current = defaultPreferences;
const listeners = new Set<() => void>();

export function preferences(): Preferences {
  return current;
}

/** Takes settings over; what is not one of the choices is left as it was. */
export function setPreferences(settings: Partial<Record<keyof Preferences, unknown>>): void {
  const { colours, depth, framesPerSecond, reducedMotion } = settings;
  current = {
    colours: colourChoices.find((choice) => choice === colours) ?? current.colours,
    depth: depths.find((choice) => choice === depth) ?? current.depth,
    framesPerSecond:
      typeof framesPerSecond === 'number' && framesPerSecond >= 1
        ? Math.min(30, framesPerSecond)
        : current.framesPerSecond,
    reducedMotion: typeof reducedMotion === 'boolean' ? reducedMotion : current.reducedMotion,
  };
  for (const listener of listeners) listener();
}

/** Calls the listener after each change. Returns the function that stops it. */
export function onPreferences(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Least time between two redraws that only bring newer data, in ms. */
export function leastRestMs(): number {
  const system = globalThis.matchMedia?.('(prefers-reduced-motion: reduce)').matches ?? false;
  const perSecond = current.reducedMotion || system ? Math.min(2, current.framesPerSecond) : current.framesPerSecond;
  return 1000 / perSecond;
}
