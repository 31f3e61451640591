/**
 * Keeps a Python at hand for the tests of all files: importing PyTorch takes seconds, forking a process that has
 * done so takes none. Started when a test first asks; see python-server.py.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

/** A program's end and all it printed. */
export interface PythonRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a test asks the host. */
export interface PythonRequest {
  /** A command, such as `python3`. */
  readonly python: string;
  /** A script and its arguments, or `-c` and the code; without, which packages there are. */
  readonly args?: readonly string[];
}

/** Sums are the same to the bit only where as many threads add; tests run side by side anyway. */
export const PYTHON_ENV = { OPENBLAS_NUM_THREADS: '1', ...process.env };

const SERVER = fileURLToPath(new URL('python-server.py', import.meta.url));

class Python {
  /** Of torch, torchvision and safetensors.torch. */
  readonly packages: Promise<readonly string[]>;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (status: number | null) => void>();
  #requests = 0;

  constructor(command: string) {
    this.#child = spawn(command, ['-B', SERVER], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: PYTHON_ENV,
    });
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.packages = new Promise((resolve) => {
      lines.once('line', (line) => {
        lines.on('line', (answer) => this.#end(JSON.parse(answer)));
        resolve(JSON.parse(line));
      });
      // There is no such command, or it has ended, be it in the midst of work.
      lines.once('close', () => {
        resolve([]);
        this.#endAll();
      });
      this.#child.once('error', () => resolve([]));
    });
    this.#child.stdin?.on('error', () => this.#endAll());
  }

  async run(args: readonly string[]): Promise<PythonRun> {
    const folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-python-'));
    const id = this.#requests++;
    const status = await new Promise<number | null>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin?.write(`${JSON.stringify({ id, args, folder })}\n`);
    });
    const [stdout, stderr] = ['stdout', 'stderr'].map((name) => {
      const path = join(folder, name);
      return existsSync(path) ? readFileSync(path, 'utf8') : '';
    }) as [string, string];
    rmSync(folder, { recursive: true });
    return { status, stdout, stderr };
  }

  stop(): void {
    this.#child.kill();
  }

  #endAll(): void {
    for (const id of this.#waiting.keys()) this.#end({ id, status: null });
  }

  #end({ id, status }: { readonly id: number; readonly status: number | null }): void {
    this.#waiting.get(id)?.(status);
    this.#waiting.delete(id);
  }
}

/** Vitest's global setup; the tests reach the host through python.ts. */
export default async function setup(project: TestProject): Promise<() => void> {
  const pythons = new Map<string, Python>();

  async function answer(request: IncomingMessage): Promise<unknown> {
    const { python: command, args } = JSON.parse(await text(request)) as PythonRequest;
    const python = pythons.get(command) ?? new Python(command);
    pythons.set(command, python);
    const packages = await python.packages;
    return args === undefined ? packages : python.run(args);
  }

  const server = createServer((request, response) => {
    answer(request).then(
      (found) => response.end(JSON.stringify(found)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('pythonHost', (server.address() as AddressInfo).port);
  return () => {
    for (const python of pythons.values()) python.stop();
    server.closeAllConnections();
    server.close();
  };
}

declare module 'vitest' {
  interface ProvidedContext {
    /** The port of this machine where Python is asked. */
    readonly pythonHost: number;
  }
}
