// node classify.js <model.json | checkpoint.pth> <photo…>

import { loadGoogLeNet } from 'pth2tfjs';
import { IMAGENET_LABELS } from 'pth2tfjs/imagenet-labels';
import sharp from 'sharp';

const [source, ...photos] = process.argv.slice(2);
const model = await loadGoogLeNet(source, { labels: IMAGENET_LABELS });
for (const photo of photos) {
  const { data, info } = await sharp(photo, { ignoreIcc: true })
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  console.log(photo);
  for (const { className, probability } of await model.classify({ data, width, height })) {
    console.log(`  ${probability.toFixed(4)}  ${className}`);
  }
}
model.dispose();
