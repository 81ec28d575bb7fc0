import { AGENT, HELD } from '../../contract/agent.ts';
import { APPLIED, APPLIED_STEP, MANIFEST_PLAN } from '../../contract/applied.ts';
import { AUDIT_CHAIN, AUDIT_ENTRY } from '../../contract/audit.ts';
import { BULK } from '../../contract/bulk.ts';
import { ROUTER_DIAGNOSIS } from '../../contract/diagnosis.ts';
import { EVENT } from '../../contract/event.ts';
import { EXPECTATION } from '../../contract/expectation.ts';
import { HELPER, HELPER_ANSWER, HELPER_CREATE, HELPER_UPDATE } from '../../contract/helper.ts';
import { HOST } from '../../contract/host.ts';
import { MANIFEST } from '../../contract/manifest.ts';
import { LIVE_PLAN } from '../../contract/plan.ts';
import { QUOTA, QUOTA_UPDATE } from '../../contract/quota.ts';
import { ROUTER, ROUTER_INPUT, ROUTER_PATCH } from '../../contract/router.ts';
import type { JsonSchema } from '../../contract/shape.ts';
import { FAMILY_STATUS, ROUTER_STATUS } from '../../contract/status.ts';
import { NEW_TOKEN, TOKEN, TOKEN_CREATE } from '../../contract/token.ts';
import { ERROR_SCHEMA, UNAVAILABLE_SCHEMA } from './errors.ts';
import { NEUTRON_ERROR } from './neutron-operations.ts';

const SHAPES = {
  Agent: AGENT,
  Held: HELD,
  AppliedStep: APPLIED_STEP,
  Applied: APPLIED,
  ManifestPlan: MANIFEST_PLAN,
  AuditChain: AUDIT_CHAIN,
  AuditEntry: AUDIT_ENTRY,
  Bulk: BULK,
  Event: EVENT,
  RouterDiagnosis: ROUTER_DIAGNOSIS,
  Expectation: EXPECTATION,
  Helper: HELPER,
  HelperAnswer: HELPER_ANSWER,
  HelperCreate: HELPER_CREATE,
  HelperUpdate: HELPER_UPDATE,
  Host: HOST,
  Manifest: MANIFEST,
  LivePlan: LIVE_PLAN,
  Quota: QUOTA,
  QuotaUpdate: QUOTA_UPDATE,
  Router: ROUTER,
  RouterInput: ROUTER_INPUT,
  RouterPatch: ROUTER_PATCH,
  FamilyStatus: FAMILY_STATUS,
  RouterStatus: ROUTER_STATUS,
  NewToken: NEW_TOKEN,
  Token: TOKEN,
  TokenCreate: TOKEN_CREATE,
};

/** The schemas of entities, by the names under which the document refers to them. */
export function namedSchemas(): Record<string, JsonSchema> {
  const ofShapes = Object.entries(SHAPES).map(([name, shape]) => [name, shape.schema()]);
  return { ...Object.fromEntries(ofShapes), Error: ERROR_SCHEMA, NeutronError: NEUTRON_ERROR, Unavailable: UNAVAILABLE_SCHEMA };
}

/** Replaces each schema that has a name by a reference. @param isTop whether the schema itself stays as it is */
export function withReferences(schema: unknown, names: ReadonlyMap<string, string>, isTop = false): unknown {
  if (typeof schema !== 'object' || schema === null) return schema;
  const name = isTop ? undefined : names.get(JSON.stringify(schema));
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` };
  if (Array.isArray(schema)) return schema.map((one) => withReferences(one, names));
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, withReferences(value, names)]));
}

/** Returns the names of schemas by their text. */
export function namesByText(schemas: Readonly<Record<string, JsonSchema>>): Map<string, string> {
  return new Map(Object.entries(schemas).map(([name, schema]) => [JSON.stringify(schema), name]));
}
