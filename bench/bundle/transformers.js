import { pipeline } from '@huggingface/transformers';

export async function classify(image) {
  const classifier = await pipeline('image-classification');
  return classifier(image);
}
