import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * Starts a contender in its own process. It says what it is, then answers each line on stdin with
 * one on stdout, all in JSON.
 * @returns what it said, `ask` and `stop`
 * @throws Error if it exits before it has answered
 */
export async function startContender(name, command, args) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} stopped; its own message is above`);
    return JSON.parse(value);
  };
  return {
    name,
    ...(await answer()),
    ask: (request) => {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return answer();
    },
    stop: () => child.stdin.end(),
  };
}
