import * as tf from '@tensorflow/tfjs-core';
import { googlenetLoss } from 'pth2tfjs/training';

/** Once through the images, in an order that only `seed` and `epoch` decide; shows the mean loss. */
export function trainEpoch(net, optimizer, { images, labels }, { recipe, seed, epoch }) {
  optimizer.setLearningRate(recipe.learningRate * recipe.decay ** (epoch - 1));
  const order = shuffled(labels.size, seed * 1000 + epoch);
  const batches = Math.floor(order.length / recipe.batchSize);
  let sum = 0;
  for (let batch = 0; batch < batches; batch++) {
    const chosen = order.slice(batch * recipe.batchSize, (batch + 1) * recipe.batchSize);
    sum += tf.tidy(() =>
      trainBatch(net, optimizer, tf.gather(images, chosen), tf.gather(labels, chosen)),
    );
    showProgress(epoch, batch + 1, batches, sum / (batch + 1));
  }
}

function trainBatch(net, optimizer, images, labels) {
  const loss = () => googlenetLoss(net.forward(images, { training: true }), labels);
  return optimizer.minimize(loss, true, net.variables).dataSync()[0];
}

function shuffled(count, seed) {
  const draws = tf.tidy(() => tf.randomUniform([count], 0, 1, 'float32', seed).dataSync());
  return [...draws.keys()].sort((a, b) => draws[a] - draws[b]);
}

/** One line that changes, on a terminal; elsewhere four lines an epoch. */
function showProgress(epoch, batch, batches, loss) {
  const line = `epoch ${epoch}  batch ${batch}/${batches}  loss ${loss.toFixed(3)}`;
  if (process.stdout.isTTY) {
    process.stdout.write(`\r${line}\x1b[K${batch === batches ? '\n' : ''}`);
  } else if (batch % Math.ceil(batches / 4) === 0) {
    console.log(line);
  }
}
