/** An error for the person at the keyboard: where it happened, what was wrong, what was got, what to do. */
export function fault(where, wrong, got, todo) {
  const error = new Error(`${where}: ${wrong}${got ? `, got ${got}` : ''}. ${todo}`);
  error.name = 'Fault';
  return error;
}

/** The message of a fault as it is; any other error with its stack, because then the mistake is ours. */
export function describeError(error) {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'Fault' ? error.message : (error.stack ?? error.message);
}
