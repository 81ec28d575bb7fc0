#!/usr/bin/env bash
# Prints what the compiled parts below a folder need, as a package's Depends field says it: the packages of the libraries that they are
# linked with, and the oldest versions with what they use, as this machine's packages tell. Needs dpkg-dev.
set -euo pipefail
folder=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# dpkg-shlibdeps reads a source package's control file, of which it needs nothing.
mkdir "$work/debian"
printf 'Source: pinhole\n\nPackage: pinhole\nArchitecture: any\n' > "$work/debian/control"
cd "$work"
find "$folder" -type f \( -name '*.node' -o -path '*/bin/node' \) ! -path '*/musl*' -printf '-e%p\n' |
  xargs dpkg-shlibdeps -O 2>/dev/null | sed 's/^shlibs:Depends=//'
