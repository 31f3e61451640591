// A converted model: node tfjs.js BACKEND MODEL-DIR IMAGES.nhwc
import { importPackage, packageVersion } from '../../dist/cli/import-package.js';
import { readModelDirectory } from '../../dist/cli/model-directory.js';
import { nvidiaGPUs } from '../../dist/cli/nvidia.js';
import { prepareBackend } from '../../dist/src/runtimes/backends.js';
import { loadStored } from '../../dist/src/runtimes/tfjs/load.js';
import { serve } from './serve.js';

const [backendName, directory, images] = process.argv.slice(2);
const backend = await prepareBackend(backendName, { importPackage, packageVersion, nvidiaGPUs });
const { device, hardware } = backend.info;
const model = await loadStored(await readModelDirectory(directory));
await serve({ device, hardware }, images, (batch) => model.predict(batch));
model.dispose();
await backend.stop();
