#!/usr/bin/env bash
# Prepares a fresh clone on Debian or Ubuntu: installs Debian packages and node modules, and builds. Skips what is done already.
#   setup.sh demo|test|bench|deb|machines
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-demo}

say() { printf 'pinhole: %s\n' "$*" >&2; }

case $purpose in
  test|bench) purposes='demo|deb|test|bench' ;;
  machines) purposes='demo|deb|machines' ;;
  *) purposes="demo|$purpose" ;;
esac
wanted() { grep -E "^($purposes) " scripts/packages.txt; }
missing=()
for package in $(wanted | cut -d' ' -f2-); do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
  say "Debian packages needed: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then say 'installing them needs root: run this again with sudo, or install them yourself'; exit 1; fi
  if [ -t 0 ] && [ -t 2 ]; then
    read -r -p 'install them now? [Y/n] ' answer
    case $answer in ''|[Yy]*) ;; *) say 'nothing was installed'; exit 1 ;; esac
  fi
  # Their daemons are not wanted, only the programs: a policy that says so, unless the machine has one of its own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod 755 $policy
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update >&2
  apt-get -q install -y --no-install-recommends "${missing[@]}" >&2
fi

# npm writes this file last. If it is older than the lock, the modules are not those of the lock.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say 'installing node modules (compiles SQLite: about a minute)'
  npm ci --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
fi

if [ ! -e dist/.built ] || [ -n "$(find src bench test/support tsconfig*.json package.json -newer dist/.built -print -quit 2>/dev/null)" ]; then
  say 'building'
  npm run --silent build
  touch dist/.built
fi
