import type { Argv } from 'yargs';
import { BACKEND_NAMES } from '../../src/runtimes/backend.js';
import { REPORT_FORMATS, type ReportFormat } from '../../src/verify/report/format-report.js';
import {
  type CheckpointArguments,
  checkpointOptions,
  type GoldenArguments,
  goldenOptions,
  type OutputArguments,
  outputOptions,
} from './options.js';

export interface VerifyArguments extends CheckpointArguments, OutputArguments, GoldenArguments {
  readonly model: string;
  readonly golden: string;
  readonly backend: string | undefined;
  readonly rtol: number | 'measured' | undefined;
  readonly atol: number | undefined;
  readonly top1: boolean;
  readonly requireGpu: boolean;
  readonly tf32: boolean;
  readonly layers: boolean;
  readonly checkpoint: string | undefined;
  readonly report: ReportFormat | undefined;
  readonly output: readonly string[];
}

/** The options of `verify`. */
export function verifyOptions(argv: Argv): Argv<VerifyArguments> {
  return goldenOptions(outputOptions(checkpointOptions(argv)))
    .positional('model', {
      type: 'string',
      demandOption: true,
      describe: 'Folder or .onnx file that convert wrote, or a checkpoint (converted in memory)',
    })
    .option('golden', {
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe:
        'File written by golden/capture.py, or by torch.save({"input": x, "logits": y}, file)',
    })
    .option('backend', {
      type: 'string',
      requiresArg: true,
      defaultDescription: 'wasm, for an ONNX model onnx',
      describe: `What to run on, separated by commas if several: ${BACKEND_NAMES.join(', ')}`,
    })
    .option('rtol', {
      alias: 'tolerance',
      type: 'string',
      requiresArg: true,
      coerce: (text: string) => (text === 'measured' || text === undefined ? text : Number(text)),
      defaultDescription: 'measured where that takes a second, else 5e-5',
      describe:
        'Bound on ‖Δ‖/‖ref‖ of each image, or measured: from the noise of float32, however long that takes; 5e-2 in lower precision or if the kernels are stored in fewer bits',
    })
    .option('atol', {
      type: 'number',
      requiresArg: true,
      describe: 'Bound on the difference of any single logit; default none',
    })
    .option('top1', {
      type: 'boolean',
      default: false,
      describe: 'Also require the same top class',
    })
    .option('require-gpu', {
      type: 'boolean',
      default: false,
      describe: 'Fail if the work would run on a processor or a software adapter',
    })
    .option('tf32', {
      type: 'boolean',
      default: false,
      describe: 'Let cuda and onnx-cuda compute in TF32, which is faster and rounds to 10 bits',
    })
    .option('layers', {
      type: 'boolean',
      default: false,
      describe: 'Print every layer in the golden file, not only the first whose error jumps',
    })
    .option('checkpoint', {
      type: 'string',
      requiresArg: true,
      describe: 'The checkpoint that a model folder was made from; lets more causes be found',
    })
    .option('report', {
      choices: REPORT_FORMATS,
      describe: 'Format of the report; default: by the ending of --output, else table',
    })
    .option('output', {
      alias: 'o',
      type: 'string',
      array: true,
      nargs: 1,
      default: [],
      defaultDescription: 'stdout',
      describe: 'Write the report to this file (.json, .xml, .md, .html); may be repeated',
    })
    .example('$0 verify out/ --golden golden.pth', 'check a converted model')
    .example(
      '$0 verify net.pth --golden golden.pth -o report.html',
      'the report as a page',
    ) as never;
}
