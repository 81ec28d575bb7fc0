#!/usr/bin/env bash
# Builds a Debian package with its own Node (the one that runs this): dist/pinhole_VERSION_ARCH.deb
#   deb.sh           for this machine's release of Debian, and later ones
#   deb.sh SUITE     for that release and later ones: compiles there what is compiled, in a folder of its own; needs root and mmdebstrap
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:-}
bash scripts/setup.sh deb

version=$(node -p 'require("./package.json").version')
arch=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
lib=$root/usr/lib/pinhole
doc=$root/usr/share/doc/pinhole

install -d "$lib/bin" "$lib/dist" "$root/usr/bin" "$root/etc/pinhole" "$root/etc/default" "$root/lib/systemd/system" "$root/usr/lib/tmpfiles.d" "$doc" "$root/DEBIAN"
install -m 755 "$(node -p process.execPath)" "$lib/bin/node"
strip --strip-unneeded "$lib/bin/node" 2>/dev/null || true
install -m 755 bin/pinhole "$lib/bin/pinhole"
install -m 644 package.json "$lib/package.json"
cp -r dist/pinhole "$lib/dist/pinhole"

# Only the modules that run: without tools, and without sources of compiled code.
npm ls --omit=dev --all --parseable 2>/dev/null | sed 1d | while read -r module; do
  path=${module#"$PWD/"}
  mkdir -p "$lib/$(dirname "$path")"
  [ -e "$lib/$path" ] || cp -r "$path" "$lib/$path"
done
find "$lib/node_modules" \( -name '*.map' -o -name '*.md' -o -name '*.ts' -o -name '*.c' -o -name '*.o' -o -name '*.a' \) -type f -delete
# Of the grammars, only the wasm files.
find "$lib"/node_modules/tree-sitter-* -type f ! -name '*.wasm' ! -name package.json -delete
rm -rf "$lib/node_modules/node-gyp-build" "$lib/node_modules/node-addon-api" "$lib/node_modules/web-tree-sitter/debug"
rm -rf "$lib/node_modules/better-sqlite3/deps" "$lib/node_modules/better-sqlite3/src"
find "$lib/node_modules/better-sqlite3/build" -type f ! -path '*/build/Release/better_sqlite3.node' -delete
find "$lib" -type d -empty -delete

if [ -z "$suite" ]; then libraries=$(bash scripts/libraries.sh "$lib"); else libraries=$(bash scripts/compile-for.sh "$suite" "$lib"); fi

printf '#!/bin/sh\nexec /usr/lib/pinhole/bin/node /usr/lib/pinhole/bin/pinhole "$@"\n' > "$root/usr/bin/pinhole"
chmod 755 "$root/usr/bin/pinhole"
install -m 640 packaging/debian/pinhole.yaml "$root/etc/pinhole/pinhole.yaml"
printf '# Flags of opener and kernel process: --neutron lets them serve the routers of an L3 agent, and nothing else.\nPINHOLE_KERNEL_FLAGS=\n' > "$root/etc/default/pinhole"
install -m 644 packaging/systemd/*.service "$root/lib/systemd/system/"
install -m 644 packaging/tmpfiles/pinhole.conf "$root/usr/lib/tmpfiles.d/"
install -m 644 docs/*.md README.md "$doc/"
install -d "$doc/examples"
cp -r packaging/prometheus packaging/grafana "$doc/examples/"
install -m 644 LICENSE "$doc/copyright"
for script in postinst prerm postrm; do install -m 755 "packaging/debian/$script" "$root/DEBIAN/$script"; done
printf '/etc/pinhole/pinhole.yaml\n/etc/default/pinhole\n' > "$root/DEBIAN/conffiles"
cat > "$root/DEBIAN/control" <<CONTROL
Package: pinhole
Version: $version
Architecture: $arch
Maintainer: The Pinhole developers <pinhole@localhost>
Section: net
Priority: optional
Installed-Size: $(du -sk "$root" | cut -f1)
Depends: $libraries, adduser, kmod
Recommends: nftables, iproute2
Suggests: openssl, postgresql-client
Description: conntrack helpers (ALGs) on Linux routers, declared once
 Hands out conntrack helpers: declared through an API, applied to the kernel
 atomically, confined, watched and reviewed. As a server for a fleet, as the
 agent of one host, or beside OpenStack Neutron's L3 agent.
CONTROL
dpkg-deb --root-owner-group -Zxz -z3 --build "$root" "dist/pinhole_${version}_${arch}.deb"
