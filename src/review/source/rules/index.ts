import type { SourceRule } from '../rule.ts';
import { missingAuthorisation } from './access.ts';
import { addressSplitByColon } from './addresses.ts';
import { stateBeforeApply } from './apply-order.ts';
import { divisionByCount, sizeArithmetic } from './arithmetic.ts';
import { earlyReturnInBatch } from './batch.ts';
import { dispatchWithoutDefault, mixedTypeComparison } from './branches.ts';
import { checkThenUse } from './check-then-use.ts';
import { endlessRetry, swallowedException } from './exceptions.ts';
import { identifierCut } from './identifier-cut.ts';
import { unvalidatedText } from './injection.ts';
import { unlockedSibling } from './locks.ts';
import { misspeltIdentifier } from './misspelling.ts';
import { noneDereference } from './nothing.ts';
import { pruneAcrossOwners } from './owners.ts';
import { resourceNotReleased } from './release.ts';
import { predictableSecret, secretInLog, tlsVerificationOff } from './secrets.ts';
import { shellString } from './shell.ts';
import { missingTimeout } from './timeouts.ts';
import { unboundedReceivedList } from './unbounded.ts';
import { unusedBinding } from './unused.ts';

/** In the order of the pillars of CWE-1000. */
export const SOURCE_RULES: readonly SourceRule[] = [
  missingAuthorisation,
  tlsVerificationOff,
  addressSplitByColon,
  unboundedReceivedList,
  unlockedSibling,
  resourceNotReleased,
  secretInLog,
  missingTimeout,
  sizeArithmetic,
  divisionByCount,
  earlyReturnInBatch,
  checkThenUse,
  endlessRetry,
  predictableSecret,
  pruneAcrossOwners,
  dispatchWithoutDefault,
  mixedTypeComparison,
  stateBeforeApply,
  noneDereference,
  swallowedException,
  unvalidatedText,
  shellString,
  identifierCut,
  misspeltIdentifier,
  unusedBinding,
];
