// Calls readSource and then has nothing left to do: the process must end by itself.
const [module, url] = process.argv.slice(2);
const { readSource } = await import(module);

try {
  const { bytes } = await readSource(url);
  console.log(`read ${bytes.length}`);
} catch ({ code }) {
  console.log(code);
}
