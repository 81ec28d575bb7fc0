import { Command } from 'commander';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineToken } from '../../src/cli/administer.ts';
import { ROLES } from '../../src/contract/token.ts';
import { type Credentials, compileCheck, type Target } from '../../src/control/policy/language.ts';
import { helperTarget, Policy, type RuleName, routerTarget } from '../../src/control/policy/policy.ts';
import { DEFAULT_RULES } from '../../src/control/policy/rules.ts';
import { ofSystem, principalOf, withRole } from '../../src/control/principal.ts';
import { PinholeError } from '../../src/model/errors.ts';

const member = withRole({ name: 'm', projectId: 'p', userId: 'u' }, 'member', 'q');
const reader = withRole({ name: 'r', projectId: 'p' }, 'reader', 'q');
const admin = withRole({ name: 'a', projectId: null }, 'admin', 'q');
const OWN = { project_id: 'p', tenant_id: 'p' };
const FOREIGN = { project_id: 'x', tenant_id: 'x' };

const evaluate = (text: string, credentials: Credentials = member, target: Target = OWN) =>
  compileCheck(text, 'test').check(credentials, target, () => true);

describe('policy language: oslo.policy’s check strings', () => {
  it.each([
    ['', true],
    ['@', true],
    ['!', false],
    ['role:member', true],
    ['role:MEMBER', true],
    ['role:admin', false],
    ['project_id:%(project_id)s', true],
    ['tenant_id:%(tenant_id)s', true],
    ['user_id:u', true],
    ['user_id:%(user_id)s', false],
    ["'p':%(project_id)s", true],
    ['"x":%(project_id)s', false],
    ['not role:admin', true],
    ['not not role:admin', false],
    ['role:admin or role:member', true],
    ['role:admin and role:member', false],
    ['role:admin or role:reader and role:member', true],
    ['(role:admin or role:reader) and not role:member', false],
    ['ROLE:member', false],
    ['role:member AND project_id:%(project_id)s', true],
    ['  ( role:member )  ', true],
    ['nosuch:%(project_id)s', false],
    ['project_id:%(nosuch)s', false],
    ['rule:anything', true],
  ])('%s → %s', (text, expected) => {
    expect(evaluate(text)).toBe(expected);
  });

  it.each([
    ['role:admin or', 'ends where a check is expected'],
    ['(role:admin', "lacks a ')'"],
    ['role:admin)', "has ')' where"],
    ['role:admin role:member', "has 'role:member' where"],
    ['admin', "has 'admin', which is no check"],
    ['http://example.com/check', "has a 'http:' check"],
    ['field:networks:shared=True', "has a 'field:' check"],
    ['role:"admin', 'cannot be read at'],
    ['x'.repeat(5000), 'is longer than'],
  ])('refuses %s', (text, why) => {
    expect(() => compileCheck(text, 'create_router')).toThrow(why);
  });

  it('does not take properties of a prototype for attributes', () => {
    for (const name of ['constructor', '__proto__', 'toString'])
      expect([evaluate(`${name}:x`), evaluate(`user_id:%(${name})s`), evaluate(`'x':%(${name})s`)]).toEqual([false, false, false]);
  });

  it('compiles any text or refuses it with an error that names the policy', () => {
    const words = fc.array(fc.constantFrom('role:a', 'and', 'or', 'not', '(', ')', '@', '!', "'x':%(y)s", 'rule:b', ':', '"', '%('), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          words.map((list) => list.join(' ')),
          fc.string(),
        ),
        (text) => {
          try {
            expect(typeof compileCheck(text, 'p').check(member, OWN, () => false)).toBe('boolean');
          } catch (error) {
            expect(error).toBeInstanceOf(PinholeError);
            expect((error as PinholeError).message).toMatch(/^Policy p /);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('policy: rules', () => {
  it('are Neutron’s by default: members change and readers read resources of their project, admins all resources', () => {
    const policy = new Policy();
    const ask = (who: Credentials, action: 'get' | 'update', target: Target) =>
      policy.allows(who, `${action}_router_conntrack_helper`, target);
    const [own, foreign] = [helperTarget({ projectId: 'p' }), helperTarget({ projectId: 'x' })];
    expect([member, reader, admin].map((who) => ask(who, 'get', own))).toEqual([true, true, true]);
    expect([member, reader, admin].map((who) => ask(who, 'update', own))).toEqual([true, false, true]);
    expect([member, reader, admin].map((who) => ask(who, 'get', foreign))).toEqual([false, false, true]);
    expect([member, reader, admin].map((who) => ask(who, 'update', foreign))).toEqual([false, false, true]);
  });

  it('of a file override the defaults, and may refer to further rules of the file', () => {
    const policy = new Policy({ operators: 'role:operator', get_router: 'rule:admin_only or rule:operators', delete_router: '!' });
    const operator = { ...reader, roles: ['operator'] };
    expect(policy.allows(operator, 'get_router', routerTarget({ projectId: 'x' }))).toBe(true);
    expect(policy.allows(reader, 'get_router', OWN)).toBe(false);
    expect(policy.allows(admin, 'delete_router', OWN)).toBe(false);
  });

  it('a refusal names the rule, with Neutron’s message', () => {
    expect(() => new Policy().enforce(reader, 'update_router', OWN)).toThrow('rule:update_router is disallowed by policy');
  });

  it('of other services may be in the file, with any content; the policy lists them as unused', () => {
    const policy = new Policy({ create_network: 'field:networks:shared=True', creat_router: 'role:admin' });
    expect(policy.unused).toEqual(['create_network', 'creat_router']);
  });

  it.each([
    [{ get_router: 'rule:nosuch' }, 'Policy nosuch is not defined, and another rule refers to it.'],
    [{ get_router: 'rule:a', a: 'rule:b', b: 'not rule:a' }, 'refers to itself'],
    [{ admin_only: 'rule:admin_only' }, 'refers to itself'],
    [{ get_router: 'role:a and' }, 'Policy get_router ends where a check is expected.'],
  ])('refuses %j when the policy is made', (rules, message) => {
    expect(() => new Policy(rules)).toThrow(message);
  });

  it('only reading is a viewer’s, of all projects; the audit log is an auditor’s', () => {
    const policy = new Policy();
    const [viewer, auditor] = (['viewer', 'auditor'] as const).map((role) => withRole({ name: role, projectId: null }, role, 'q'));
    const rules = Object.keys(DEFAULT_RULES) as RuleName[];
    const allowed = (who: Credentials | undefined) =>
      rules.filter(
        (rule) =>
          /^(get|create|update|delete|reapply)_/.test(rule) && policy.allows(who as Credentials, rule, helperTarget({ projectId: 'x' })),
      );
    expect(allowed(viewer)).toEqual(rules.filter((rule) => /^get_(?!router_diagnosis|audit|token)/.test(rule)));
    expect(allowed(auditor)).toEqual(rules.filter((rule) => /^get_(?!router_diagnosis|token)/.test(rule)));
  });

  it('a role of a project that is called viewer or auditor reads nothing of other projects', () => {
    const policy = new Policy();
    const who = principalOf({ name: 'keystone:u', projectId: 'p', userId: 'u' }, ['viewer', 'auditor'], 'q');
    for (const rule of ['get_router', 'get_event', 'get_agent', 'get_audit'] as const)
      expect([rule, policy.allows(who, rule, FOREIGN)]).toEqual([rule, false]);
  });

  it('of Keystone’s system scope only what reads counts', () => {
    const policy = new Policy();
    const system = (...roles: string[]) => ofSystem({ name: 'keystone:u', projectId: null, userId: 'u' }, roles, 'q');
    const may = (who: Credentials) =>
      (['get_router', 'get_audit', 'update_router'] as const).map((rule) => policy.allows(who, rule, FOREIGN));
    expect(may(system('admin', 'member', 'reader'))).toEqual([true, false, false]);
    expect(may(system('Reader'))).toEqual([true, false, false]);
    expect(may(system('auditor'))).toEqual([true, true, false]);
    expect(may(system('viewer', 'service'))).toEqual([false, false, false]);
  });

  it('the command line knows every role', () => {
    const program = new Command();
    defineToken(program);
    const create = program.commands[0]?.commands.find((command) => command.name() === 'create');
    expect(create?.options.find(({ long }) => long === '--role')?.argChoices).toEqual([...ROLES]);
  });

  it('a token without a project has no rights', () => {
    const system = { roles: [], attributes: { project_id: null, tenant_id: null, user_id: 'u' } };
    const policy = new Policy();
    expect([OWN, FOREIGN].map((target) => policy.allows(system, 'get_router', target))).toEqual([false, false]);
  });
});
