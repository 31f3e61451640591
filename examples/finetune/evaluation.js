import * as tf from '@tensorflow/tfjs-core';
import { crossEntropy } from 'pth2tfjs/training';

/** Images that run at a time. */
const BATCH = 32;

/**
 * What the network makes of images, without dropout and with running statistics.
 * @returns the mean `loss`, the share that is right as `accuracy`, and `confusion[actual][predicted]`
 */
export function evaluate(net, { images, labels }) {
  return tf.tidy(() => {
    const batches = [];
    for (let start = 0; start < labels.size; start += BATCH) {
      const count = Math.min(BATCH, labels.size - start);
      batches.push(net.forward(tf.slice(images, start, count)));
    }
    const logits = tf.concat(batches);
    const predicted = tf.argMax(logits, -1).arraySync();
    const actual = labels.arraySync();
    const confusion = Array.from({ length: logits.shape[1] }, () => Array(logits.shape[1]).fill(0));
    for (const [i, label] of actual.entries()) confusion[label][predicted[i]]++;
    const right = predicted.filter((label, i) => label === actual[i]).length;
    const loss = crossEntropy(labels, logits).dataSync()[0];
    return { loss, accuracy: right / actual.length, confusion };
  });
}

/** A row for each true class, a column for each that was predicted. */
export function confusionTable(confusion, labels) {
  const width = Math.max(
    ...labels.map(({ length }) => length),
    String(Math.max(...confusion.flat())).length,
  );
  const row = (cells) => cells.map((cell) => String(cell).padStart(width + 2)).join('');
  const lines = confusion.map((counts, actual) => row([labels[actual], ...counts]));
  return ['actual \\ predicted', row(['', ...labels]), ...lines].join('\n');
}
