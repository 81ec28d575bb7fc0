#!/usr/bin/env bash
# Runs all test tiers, or those named as arguments. A tier that cannot run says why; in CI, that is a failure.
set -uo pipefail
cd "$(dirname "$0")/.."
# Daemons under test, as other users, must read files that the tests write.
umask 022
tiers=("$@")
[ ${#tiers[@]} -gt 0 ] || tiers=(check unit integration system neutron)

bash scripts/setup.sh test || exit 1
. scripts/readable.sh

log=$(mktemp)
tests() { NO_COLOR=1 npx vitest run --project "$@" 2>&1 | tee -a "$log"; return "${PIPESTATUS[0]}"; }
# The number of tests with such a result, from vitest's summaries.
count() { sed -nE "s/^ +Tests .*[^0-9]([0-9]+) $1.*/\\1/p" "$log" | awk '{ sum += $1 } END { print sum + 0 }'; }

failed=()
for tier in "${tiers[@]}"; do
  printf '\n== %s\n' "$tier"
  case $tier in
    check) npm run --silent check ;;
    # Coverage fails where pure code has too few fast tests (test/support/pure-code.ts).
    unit) tests unit --coverage.enabled ;;
    system|neutron)
      if [ "$(id -u)" -ne 0 ]; then
        echo "$tier tests need root: they make network namespaces. NOT RUN."
        [ -z "${CI:-}" ] || failed+=("$tier")
        continue
      fi
      tests "$tier" ;;
    *) tests "$tier" ;;
  esac || failed+=("$tier")
done

printf '\n%s passed, %s failed\n' "$(count passed)" "$(count failed)"
rm -f "$log"
if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed: %s\n' "${failed[*]}"
  exit 1
fi
printf '\nall tiers passed: %s\n' "${tiers[*]}"
