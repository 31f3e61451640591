// Loads from a URL with the app API, and tells how that ended and how much memory it took, in MiB.
const [module, url] = process.argv.slice(2);
const { loadGoogLeNet } = await import(module);

let loaded = 0;
const onProgress = (progress) => {
  loaded = progress.loaded;
};
const error = await loadGoogLeNet(url, { onProgress }).then(
  () => ({ code: 'none' }),
  (reason) => reason,
);
const peak = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ code: error.code, loaded: loaded / 2 ** 20, peak }));
