import { counted } from '../src/base/plural.js';
import { printable } from '../src/base/printable.js';
import type { Conversion } from '../src/convert.js';
import type { SafetensorsConversion } from '../src/convert-safetensors.js';
import type { Provenance, SourceFile } from '../src/stored-model/provenance.js';
import type { QuantizationTrial } from '../src/verify/quantizations.js';
import { rtolThatPasses } from '../src/verify/tolerance.js';
import { describeContainer } from './describe-container.js';
import type { Judgement } from './judge.js';

/** What became of the conversion on disk. */
export interface Written {
  readonly outDir: string;
  readonly bytes: number;
  readonly seconds: number;
}

/** The short summary that `pth2tfjs convert` prints, a labelled line a fact. */
export function formatSummary(
  { provenance, tensors, parameters, files }: Conversion,
  written: Written,
  judgement?: Judgement,
): string {
  const { branch3Kernel, transformInput, numClasses, labels, quantization, ignoredKeys } =
    provenance;
  return formatRows([
    ...sourceRows(provenance.source, tensors, provenance.stateDict),
    [
      'network',
      `GoogLeNet, ${counted(parameters, 'weight')}, ${describeBatchNorm(provenance)}, ${counted(numClasses, 'class', 'classes')}`,
    ],
    ['branch3', describeBranch3(branch3Kernel)],
    ['transform_input', transformInput ? 'on' : 'off'],
    ['model', FORMATS[provenance.format]],
    ['input', describeInput(provenance)],
    ...(quantization === undefined
      ? []
      : [['stored as', `${quantization}, biases as float32`] as const]),
    ...(labels === undefined ? [] : [['labels', describeLabels(labels)] as const]),
    ['ignored', describeIgnored(ignoredKeys)],
    ...(judgement === undefined ? [] : [['parity', describeParity(judgement)] as const]),
    ['written', describeWritten(written, files.length)],
  ]);
}

/** The error in float32; and as it is stored, with what `verify` takes for that. */
function describeParity({ bound, float32, written }: Judgement): string {
  const shown = (value: number) => value.toExponential(2);
  const exact = `‖Δ‖/‖ref‖ ${shown(float32.error)} from PyTorch's logits, within ${shown(bound)}`;
  if (written.stored === 'float32') return exact;
  return `in float32 ${exact}; stored as ${written.stored} ${shown(written.error)}, which verify passes with --rtol ${rtolThatPasses(written.error)}`;
}

/** The same for a safetensors file. */
export function formatSafetensorsSummary(
  conversion: SafetensorsConversion,
  { out, seconds }: { readonly out: string; readonly seconds: number },
  judgement?: Judgement,
): string {
  const { source, stateDict, tensors, numClasses, branch3Kernel, bytes } = conversion;
  const { transformInput, leftOut, written } = conversion;
  const known = transformInput ? 'on' : 'off';
  const size = `${counted(written, 'tensor')}, ${megabytes(bytes.length)}`;
  return formatRows([
    ...sourceRows(source, tensors, stateDict),
    ['network', `GoogLeNet, ${counted(numClasses, 'class', 'classes')}`],
    ['branch3', describeBranch3(branch3Kernel)],
    [
      'transform_input',
      transformInput === null
        ? 'unknown, for a state dict does not record it; --[no-]transform-input notes it in the file'
        : `${known}, as the file notes in its metadata`,
    ],
    ...(leftOut.length === 0 ? [] : [['left out', listed(leftOut)] as const]),
    ...(judgement === undefined ? [] : [['parity', describeParity(judgement)] as const]),
    ['written', `${out}: ${size}, in ${seconds.toFixed(2)} s`],
  ]);
}

type Row = readonly [label: string, text: string];

function formatRows(rows: readonly Row[]): string {
  return rows.map(([label, text]) => `${label.padEnd(16)}${printable(text)}`).join('\n');
}

function sourceRows(
  source: SourceFile,
  tensors: number,
  stateDict: Provenance['stateDict'],
): readonly Row[] {
  const { container: format, containerVersion: version } = source;
  return [
    ['checkpoint', describeSource(source)],
    ['container', describeContainer({ ...source, format, version })],
    ['state dict', describeStateDict(tensors, stateDict)],
  ];
}

function describeBatchNorm({ training }: Provenance): string {
  return training === undefined ? 'BatchNorm folded' : 'trainable, with BatchNorm and statistics';
}

function describeBranch3(kernel: Provenance['branch3Kernel']): string {
  return `${kernel}x${kernel} kernels, as in ${kernel === 3 ? 'torchvision' : 'the paper'}`;
}

/** What each way of storing the weights costs, as a table. */
export function formatTrials(trials: readonly QuantizationTrial[]): string {
  const rows = trials.map(({ stored, bytes, error, top1Changes, images }) => [
    stored,
    megabytes(bytes),
    error.toExponential(2),
    `${top1Changes} of ${images}`,
  ]);
  const table = [['stored as', 'size', '‖Δ‖/‖ref‖', 'top-1 changes'], ...rows];
  return [
    '',
    ...table.map((row) =>
      row
        .map((cell) => cell.padEnd(12))
        .join('')
        .trimEnd(),
    ),
  ].join('\n');
}

const FORMATS = {
  layers: 'layers model, for tf.loadLayersModel',
  graph: 'graph model, frozen and fused, for tf.loadGraphModel',
  onnx: 'ONNX, opset 17, for ONNX Runtime and its like',
} as const;

function describeInput({ format, input }: Provenance): string {
  const { layout, shape, kind } = input;
  const [height, width] = layout === 'NCHW' ? shape.slice(2) : shape.slice(1);
  const images = `${layout}, ${height}x${width} RGB`;
  return kind === 'pixels'
    ? `${images}, ${format === 'onnx' ? 'uint8' : 'int32'} pixels from 0 to 255; the model normalises`
    : `${images}, ImageNet normalisation`;
}

function describeSource({ name, bytes, gzip, sha256 }: SourceFile): string {
  const size = `${megabytes(bytes)}${gzip ? ' unpacked' : ''}`;
  return `${name}, ${size}, SHA-256 ${sha256?.slice(0, 16)}…`;
}

function describeStateDict(tensors: number, { name, prefix }: Provenance['stateDict']): string {
  const where = name === '.' ? '' : ` in the file, used: ${name}`;
  return `${counted(tensors, 'tensor')}${where}${prefix === '' ? '' : `, prefix ${prefix} taken off`}`;
}

function describeLabels(labels: readonly string[]): string {
  return labels.length <= 3
    ? labels.join(', ')
    : `${labels.slice(0, 2).join(', ')}, …, ${labels.at(-1)}`;
}

/** By the reason why inference has no use for them. */
function describeIgnored(keys: readonly string[]): string {
  const aux = keys.filter((key) => key.startsWith('aux'));
  const counters = keys.filter((key) => !aux.includes(key) && key.endsWith('num_batches_tracked'));
  const others = keys.length - aux.length - counters.length;
  const counts = [
    [counters.length, 'num_batches_tracked'],
    [aux.length, 'of the auxiliary heads aux1 and aux2'],
    [others, others === 1 ? 'other' : 'others'],
  ] as const;
  const parts = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return parts.length === 0 ? 'nothing' : `${parts.join(', ')} (the model lists them)`;
}

function describeWritten({ outDir, bytes, seconds }: Written, files: number): string {
  return `${outDir}: ${counted(files, 'file')}, ${megabytes(bytes)}, in ${seconds.toFixed(2)} s`;
}

/** The first of many keys, and how many more there are. */
function listed(keys: readonly string[]): string {
  const shown = keys.slice(0, 5).join(', ');
  return keys.length > 5 ? `${shown}, and ${keys.length - 5} more` : shown;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
