/** Attention sessions of a runtime, one for each form; methods and layers share them. */
import type { Runtime } from '../runtime/runtime.ts';
import type { Session } from '../runtime/session.ts';
import type { Form } from './form.ts';
import { attendGraph } from './graph.ts';

export interface AttendSessions {
  open(form: Form): Promise<Session>;
}

const known = new WeakMap<Runtime, AttendSessions>();

/** The sessions of this runtime; they are released with it. */
export function attendSessions(runtime: Runtime): AttendSessions {
  const found = known.get(runtime);
  if (found) return found;
  const sessions = new Map<string, Promise<Session>>();
  const made: AttendSessions = {
    open(form) {
      const shape = `${form.kvHeads}|${form.group}|${form.headSize}|${form.key}`;
      const session = sessions.get(shape) ?? runtime.create(attendGraph(form).encode());
      sessions.set(shape, session);
      return session;
    },
  };
  known.set(runtime, made);
  return made;
}
