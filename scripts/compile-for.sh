#!/usr/bin/env bash
# Compiles SQLite's binding for Node with the compiler and the C library of a release of Debian: compile-for.sh SUITE FOLDER
# replaces the binding below FOLDER, where the package's files are, and prints what they need there, as libraries.sh does.
# Needs root and mmdebstrap; everything happens in a folder that is removed again.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=$1
folder=$2
[ "$(id -u)" -eq 0 ] || { echo 'pinhole: compiling for another release needs root' >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"
root=$work/root
# The lists of a release that gets no more updates are out of date, and signed all the same.
mmdebstrap --quiet --mode=root --variant=minbase --include=g++,make,python3,dpkg-dev \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' "$suite" "$root" >&2

node=$(node -p process.execPath)
prefix=$(dirname "$(dirname "$node")")
install -D -m 755 "$node" "$root/opt/node/bin/node"
mkdir -p "$root/opt/node/include" "$root/opt/module"
cp -r "$prefix/include/node" "$root/opt/node/include/node"
cp -r "$(npm root --global)/npm/node_modules" "$root/opt/node_modules"
(cd node_modules/better-sqlite3 && cp -r binding.gyp package.json deps src "$root/opt/module/")
chroot "$root" env -i -C /opt/module PATH=/opt/node/bin:/usr/bin:/bin HOME=/root \
  node /opt/node_modules/node-gyp/bin/node-gyp.js rebuild --release --nodedir=/opt/node >&2
binding=$folder/node_modules/better-sqlite3/build/Release/better_sqlite3.node
cp "$root/opt/module/build/Release/better_sqlite3.node" "$binding"
strip --strip-unneeded "$binding"

mkdir "$root/opt/package"
(cd "$folder" && find . -type f \( -name '*.node' -o -path '*/bin/node' \) -exec cp --parents -t "$root/opt/package" {} +)
cp scripts/libraries.sh "$root/opt/"
chroot "$root" bash /opt/libraries.sh /opt/package
