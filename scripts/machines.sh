#!/usr/bin/env bash
# Tests Pinhole's package in virtual machines with the kernels of Debian releases: machines.sh [SUITE…], as root. Machines have no
# network. Where /dev/kvm is missing they are emulated, and each takes a quarter of an hour rather than minutes.
# PINHOLE_ACCEL=tcg emulates them where /dev/kvm is there and does not work, as in some virtual machines.
# Images are kept in PINHOLE_MACHINES, or dist/machines.
set -euo pipefail
cd "$(dirname "$0")/.."
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(bullseye bookworm trixie)
if [ "$(id -u)" -ne 0 ]; then echo 'pinhole: tests in machines need root, to make their images' >&2; exit 1; fi

bash scripts/setup.sh machines
images=${PINHOLE_MACHINES:-dist/machines}
for suite in "${suites[@]}"; do bash test/machines/image.sh "$suite" "$images"; done
# One package for all of them, so it is made for the oldest.
bash scripts/deb.sh bullseye
cp dist/pinhole_*.deb "$images/pinhole.deb"
PINHOLE_MACHINES=$(realpath "$images") PINHOLE_SUITES="${suites[*]}" npx vitest run --project machines
