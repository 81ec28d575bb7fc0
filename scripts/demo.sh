#!/usr/bin/env bash
# The demo from a fresh clone.
set -euo pipefail
cd "$(dirname "$0")/.."
# vsftpd, as another user, must read the files that the demo writes.
umask 022
bash scripts/setup.sh demo
. scripts/readable.sh
bin/pinhole demo "$@"
