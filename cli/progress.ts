/** Where a transfer reports how far it has come. */
export interface ProgressSink {
  /** The first bytes are about to come; `total` is absent when nobody announced it. */
  start(total?: number): void;
  /** `received` counts from the start, it is not an increment. */
  update(received: number): void;
  /** The transfer is over, whether it succeeded or not. */
  end(): void;
}

const REDRAW_MS = 100;
/** A rate measured over less time than this is noise, so no time left is derived from it. */
const STEADY_MS = 500;
const DEFAULT_COLUMNS = 80;
const BAR_WIDTHS = { least: 8, most: 30 };
const BAR_FRAME = '[] '.length;
const LEAST_NAME = 8;
const MEGABYTE = 1e6;
const CLEAR_LINE = '\r\x1b[K';

/**
 * A single-line bar on a terminal; a sink that does nothing when `stream` is not one.
 *
 * It redraws only when bytes arrive: without a timer of its own it can neither keep the process
 * alive nor draw over later output.
 *
 * @param stream - usually `process.stderr`, so that standard output stays clean
 * @param name - what is being transferred, such as the file's name
 */
export function terminalProgress(stream: NodeJS.WriteStream, name = 'download'): ProgressSink {
  const { TERM } = process.env;
  if (!stream.isTTY || TERM === 'dumb') return SILENT;
  let total: number | undefined;
  let started = 0;
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    start(announced) {
      total = announced;
      started = performance.now();
    },
    update(received) {
      const now = performance.now();
      if (now - drawn < REDRAW_MS) return;
      drawn = now;
      const state = { name: printableName(name), received, total, elapsedMs: now - started };
      stream.write(`${CLEAR_LINE}${progressLine(state, stream.columns || DEFAULT_COLUMNS)}`);
    },
    end() {
      if (drawn > Number.NEGATIVE_INFINITY) stream.write(CLEAR_LINE);
    },
  };
}

/** A line that says what is being done just now. */
export interface StatusLine {
  /** @param soon whether a log should hear of it after a few seconds already */
  show(text: string, soon?: boolean): void;
  clear(): void;
}

/** A log is told no more often, and not at all of what is over sooner. */
const PATIENCE_MS = 10_000;
const LITTLE_PATIENCE_MS = 3000;
/** How often it is told of the same. */
const REPEAT_MS = 30_000;

/**
 * On a terminal, one line that is drawn again and goes away; elsewhere, a line of its own for what
 * has taken some seconds, so that a log shows what a long run is at. Nothing when `quiet`.
 */
export function statusLine(stream: NodeJS.WriteStream, quiet: boolean): StatusLine {
  if (quiet) return { show() {}, clear() {} };
  const { TERM } = process.env;
  const terminal = stream.isTTY && TERM !== 'dumb';
  return terminal ? redrawnLine(stream) : loggedLines(stream);
}

function redrawnLine(stream: NodeJS.WriteStream): StatusLine {
  let drawn = false;
  return {
    show(text) {
      drawn = true;
      const room = (stream.columns || DEFAULT_COLUMNS) - 1;
      stream.write(`${CLEAR_LINE}${printableName(text).slice(0, room)}`);
    },
    clear() {
      if (drawn) stream.write(CLEAR_LINE);
      drawn = false;
    },
  };
}

function loggedLines(stream: NodeJS.WriteStream): StatusLine {
  let spoken = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const speak = (text: string) => {
    spoken = performance.now();
    stream.write(`${printableName(text)}\n`);
    wait(text, REPEAT_MS);
  };
  const wait = (text: string, milliseconds: number) => {
    // It must not keep a process alive that is done.
    timer = setTimeout(() => speak(text), milliseconds).unref();
  };
  return {
    show(text, soon = false) {
      clearTimeout(timer);
      const left = (soon ? LITTLE_PATIENCE_MS : PATIENCE_MS) - (performance.now() - spoken);
      // What blocks the event loop is told by the next step; what awaits, by the timer.
      if (left > 0) wait(text, left);
      else speak(text);
    },
    clear() {
      clearTimeout(timer);
    },
  };
}

const SILENT: ProgressSink = { start() {}, update() {}, end() {} };

interface Progress {
  readonly name: string;
  readonly received: number;
  readonly total: number | undefined;
  readonly elapsedMs: number;
}

/** One line shorter than `columns`: a full line would make some terminals wrap. */
function progressLine(progress: Progress, columns: number): string {
  const room = Math.max(0, columns - 1);
  const figures = figuresOf(progress);
  const spare = room - figures.length - 1;
  if (spare < LEAST_NAME) return figures.slice(0, room);
  const most = Math.min(BAR_WIDTHS.most, spare - LEAST_NAME - BAR_FRAME);
  const wanted = Math.max(BAR_WIDTHS.least, spare - progress.name.length - BAR_FRAME);
  const bar = most < BAR_WIDTHS.least ? '' : drawBar(progress, Math.min(most, wanted));
  return `${shorten(progress.name, spare - bar.length)} ${bar}${figures}`;
}

/** The bar with its trailing space, or nothing when the total is unknown. */
function drawBar({ received, total }: Progress, width: number): string {
  if (!total) return '';
  const filled = Math.floor(width * Math.min(1, received / total));
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] `;
}

function figuresOf({ received, total, elapsedMs }: Progress): string {
  const perSecond = elapsedMs > 0 ? (received / elapsedMs) * 1000 : 0;
  const rate = `${megabytes(perSecond)} MB/s`;
  if (!total) return `${megabytes(received)} MB  ${rate}`;
  const percent = Math.floor(Math.min(1, received / total) * 100);
  const figures = `${String(percent).padStart(3)}%  ${megabytes(received)}/${megabytes(total)} MB  ${rate}`;
  if (elapsedMs < STEADY_MS || perSecond === 0) return figures;
  return `${figures}  ${clock((total - received) / perSecond)} left`;
}

function megabytes(bytes: number): string {
  return (bytes / MEGABYTE).toFixed(1);
}

function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const pad = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours > 99) return '>99 h';
  return hours > 0
    ? `${hours}:${pad(minutes)}:${pad(whole % 60)}`
    : `${minutes}:${pad(whole % 60)}`;
}

/** Keeps the end of a long name, for that is where the version and the extension are. */
function shorten(name: string, width: number): string {
  return name.length <= width ? name : `...${name.slice(name.length - Math.max(0, width - 3))}`;
}

/** A name may come from a URL: escape codes must not reach the terminal, nor wide characters upset the width. */
function printableName(name: string): string {
  return name.replace(/[^\x20-\x7e\u00a1-\u024f]/gu, '?');
}
