import { buildNetwork, type TrainableOptions } from './describe-model.js';
import { countParameters } from './network/module.js';
import { type ModuleSummary, measureModules, summaryLines } from './network/summary.js';

export type SummaryOptions = Omit<TrainableOptions, 'transformInput'>;

/**
 * The tree that `print(model)` shows in PyTorch, with each module's output shape for one image,
 * its parameters and its multiply-accumulates beside it, and the totals below.
 * @param model such as a TrainableGoogLeNet
 */
export function summary({ options }: { readonly options: SummaryOptions }): string {
  const root = buildNetwork(options);
  const { imageSize } = options;
  const modules = measureModules(root, [3, imageSize, imageSize]);
  const [network] = modules as [ModuleSummary];
  const all = countParameters(root);
  const { parameters, macs } = network;
  const heads = all === parameters ? '' : `; with auxiliary heads ${all.toLocaleString('en-US')}`;
  return [
    ...summaryLines(root, modules),
    `${parameters.toLocaleString('en-US')} parameters${heads}`,
    `${(macs / 1e9).toFixed(2)} GMAC an image of ${imageSize}x${imageSize}`,
  ].join('\n');
}
