# Sourced from the repository root. Pinhole's processes run as other users. If they cannot read the checkout (under a home folder,
# for example), this copies it to a folder that they can read, and changes to the copy.
if [ "$(id -u)" -eq 0 ] && ! setpriv --reuid 65534 --regid 65534 --clear-groups -- test -r "$PWD/dist/pinhole/cli.js" -a -r "$PWD/node_modules/koffi/package.json" -a -r "$(command -v node)" 2>/dev/null; then
  readable=$(mktemp -d "${TMPDIR:-/tmp}/pinhole-XXXXXX")
  trap 'rm -rf "$readable"' EXIT
  cp -a . "$readable/"
  chmod -R u=rwX,go=rX "$readable"
  cd "$readable"
fi
