#!/usr/bin/env bash
# Usage: .ci/tfjs-node.sh DIR
#
# Makes DIR/node_modules/@tensorflow/tfjs-node and tfjs-node-gpu, ready to import, on machines that can
# reach only npm and PyPI: their own install scripts download from elsewhere. The native part is compiled
# from the sources in the packages, against the TensorFlow library in a Python wheel, since the part of its
# C interface that they call has not changed. Both get the CPU library, so tfjs-node-gpu finds no CUDA
# device: it is here to test that it refuses.
#
# Linux x64 only, with g++, npm and a Python 3 that has pip. Keeps what is already there.
set -euo pipefail

readonly TFJS=4.22.0 HEADERS=1.9.0 TENSORFLOW=2.13.1
readonly WHEEL_SHA256=87be6e61314b2c0fa062f71e26e41d6a17e162ffe4da72c820fe8f1fc94d97fe

if [ $# != 1 ]; then
  echo "usage: $0 DIR" >&2
  exit 2
fi
if [ "$(uname -sm)" != 'Linux x86_64' ]; then
  echo "$0: builds on Linux x86_64 only, not on $(uname -sm)" >&2
  exit 1
fi
mkdir -p "$1"
cd "$1"

SECONDS=0
say() { echo "[${SECONDS}s] $*"; }

install_packages() {
  local found
  found=$(node -p "require('./node_modules/@tensorflow/tfjs-node-gpu/package.json').version" 2>/dev/null || true)
  if [ "$found" = $TFJS ] && [ -e node_modules/node-api-headers/include/node_api.h ]; then
    say "npm packages: there"
    return
  fi
  say "npm packages: installing tfjs-node and tfjs-node-gpu $TFJS, without their scripts"
  echo '{ "private": true }' >package.json
  npm install --ignore-scripts --no-audit --no-fund --silent \
    "@tensorflow/tfjs-node@$TFJS" "@tensorflow/tfjs-node-gpu@$TFJS" "node-api-headers@$HEADERS"
}

# Leaves include/ and lib/ as the packages expect them in their folder deps/.
fetch_library() {
  if [ -e "libtensorflow-$TENSORFLOW/lib" ]; then
    say "TensorFlow $TENSORFLOW: there"
    return
  fi
  say "TensorFlow $TENSORFLOW: downloading the wheel for Python, 187 MB"
  rm -rf wheel unpacked
  mkdir wheel
  echo "tensorflow-cpu==$TENSORFLOW --hash=sha256:$WHEEL_SHA256" >wheel/requirements.txt
  python3 -m pip download --quiet --quiet --no-deps --require-hashes --only-binary=:all: \
    --python-version 3.11 --platform manylinux2014_x86_64 \
    --requirement wheel/requirements.txt --dest wheel
  say "TensorFlow $TENSORFLOW: unpacking library and headers, 560 MB"
  python3 - wheel/*.whl unpacked <<'PYTHON'
import re, sys, zipfile

wanted = re.compile(r"tensorflow/(libtensorflow_(cc|framework)\.so\.2$|include/(tensorflow/)?(c|tsl|core/platform)/.*\.h$)")
wheel, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    archive.extractall(target, [name for name in archive.namelist() if wanted.match(name)])
PYTHON
  mkdir unpacked/lib
  mv unpacked/tensorflow/libtensorflow_*.so.2 unpacked/lib
  mv unpacked/tensorflow/include unpacked/include
  mv unpacked "libtensorflow-$TENSORFLOW"
  rm -r wheel
}

# $1: the package's name. The folder and file names are those that it looks for.
build_addon() {
  local package="node_modules/@tensorflow/$1" name="lib/napi-v8/tfjs_binding.node"
  if [ -e "$package/$name" ]; then
    say "$1: built"
    return
  fi
  say "$1: compiling"
  ln -sfn "../../../libtensorflow-$TENSORFLOW" "$package/deps"
  mkdir -p "$package/lib/napi-v8"
  (
    cd "$package"
    # $ORIGIN is for the loader, not for the shell.
    # shellcheck disable=SC2016
    g++ -std=c++17 -O2 -w -shared -fPIC -DNAPI_VERSION=8 -DBUILDING_NODE_EXTENSION \
      -I ../../node-api-headers/include -I deps/include binding/*.cc \
      -L deps/lib -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 \
      -Wl,-rpath,'$ORIGIN/../../deps/lib' -o "$name.part"
    mv "$name.part" "$name"
  )
}

# $1: the package's name.
try_package() {
  TF_CPP_MIN_LOG_LEVEL=2 node -e "
    const { binding, isUsingGpuDevice } = require('@tensorflow/$1').backend();
    console.log('$1: TensorFlow', binding.TF_Version, isUsingGpuDevice ? 'on a GPU' : 'on the processor');"
}

install_packages
fetch_library
build_addon tfjs-node
build_addon tfjs-node-gpu
try_package tfjs-node
try_package tfjs-node-gpu
say "done: PTH2TFJS_TFJS_NODE=$PWD"
