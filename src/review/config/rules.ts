import { findKernelHelper, NEUTRON_DEFAULT_PAIRS } from '../../model/catalogue.ts';
import { type ConfigDocument, isOn, type Setting, setting } from './document.ts';
import { type ConfigRule, place, shown } from './rule.ts';

export const automaticAssignment: ConfigRule = {
  id: 'automatic-assignment',
  cwe: 1188,
  severity: 'high',
  title: 'helpers assigned to every connection by its port',
  why: 'Every connection to a usual port gets a helper, whoever makes it and wherever to: nobody chose the clients, and whoever is behind the router can have ports opened. The kernel turned it off in 4.7 and took it out in 6.0.',
  remedy: 'Turn it off, and assign helpers by rule to those that need them.',
  checks: 'settings of the kernel and of firewall programs that assign helpers by themselves',
  check(document, report) {
    const found = automatic(document);
    if (!found) return;
    report({
      ...place(found.at),
      claim: `\`${shown(found.at)}\` assigns helpers to connections by their port, from anywhere`,
      evidence: [
        { line: found.at.line, fact: shown(found.at) },
        { line: null, fact: found.why },
      ],
      solution: { text: found.cure, diff: null },
      severity: 'high',
      confidence: 'certain',
    });
  },
};

function automatic(document: ConfigDocument): { at: Setting; why: string; cure: string } | null {
  switch (document.kind) {
    case 'sysctl': {
      const at = setting(document, 'net.netfilter.nf_conntrack_helper');
      return at?.value === '1' ? { at, why: 'automatic assignment of the kernel (before Linux 6.0)', cure: 'Set it to 0.' } : null;
    }
    case 'firewalld-conf': {
      const at = setting(document, 'AutomaticHelpers');
      return at && isOn(at.value)
        ? {
            at,
            why: 'firewalld turns the automatic assignment of the kernel on (firewalld.conf(5))',
            cure: 'Set AutomaticHelpers=no, and name helpers in services.',
          }
        : null;
    }
    case 'shorewall-conf': {
      const at = setting(document, 'AUTOHELPERS');
      return at && isOn(at.value)
        ? {
            at,
            why: 'Shorewall assigns every helper that the kernel has (shorewall.conf(5))',
            cure: 'Set AUTOHELPERS=No, and name helpers in the conntrack file.',
          }
        : null;
    }
    case 'shorewall-conntrack': {
      const at = setting(document, 'AUTOHELPERS');
      return at && isOn(at.value) ? { at, why: 'Shorewall assigns every helper that the kernel has', cure: 'Remove it.' } : null;
    }
    case 'openwrt': {
      const at = document.settings.find(({ key, value }) => key === 'zone.auto_helper' && isOn(value));
      return at
        ? {
            at,
            why: 'the zone gets every helper that OpenWrt has (firewall4)',
            cure: "Set `option auto_helper '0'`, and name helpers with `list helper`.",
          }
        : null;
    }
    default:
      return null;
  }
}

export const modulePorts: ConfigRule = {
  id: 'module-ports',
  cwe: 1164,
  severity: 'low',
  title: 'ports of a helper as an option of its module',
  why: 'The option says where a helper is assigned by itself. Where that is off, as since Linux 4.7, it does nothing, and whoever wrote it believes that the port has a helper; where it is on, the port has one for everybody.',
  remedy: 'Assign the helper on that port by rule.',
  checks: '`ports=` of nf_conntrack modules',
  check(document, report) {
    if (document.kind !== 'modprobe') return;
    for (const at of document.settings) {
      if (!/^(nf|ip)_conntrack_\w+\.ports$/.test(at.key)) continue;
      report({
        ...place(at),
        claim: `\`${shown(at)}\` gives no connection a helper, unless every connection gets one`,
        evidence: [
          { line: at.line, fact: shown(at) },
          { line: null, fact: 'the option is read by automatic assignment only, which is off since Linux 4.7 and gone since 6.0' },
        ],
        solution: { text: 'Remove it, and add a rule that assigns the helper on the port.', diff: null },
        severity: 'low',
        confidence: 'certain',
      });
    }
  },
};

/** Neutron's pairs that make the agent's apply fail, in one family or both: of the catalogue. */
const BREAKING = NEUTRON_DEFAULT_PAIRS.filter(
  ({ helper, protocol }) => !findKernelHelper(helper, protocol)?.families.includes('ipv6') || helper === 'h323',
);

export const neutronBreakingHelper: ConfigRule = {
  id: 'neutron-breaking-helper',
  cwe: 573,
  severity: 'high',
  title: 'a helper that Neutron allows and that breaks the router it is created on',
  why: "Neutron's agent hands the name to iptables and ip6tables as it is. For these the kernel has no such helper, or none for IPv6: the restore fails, the rule stays in the agent's memory, and every later change of that router fails with it, floating IPs too.",
  remedy: 'Leave them out of allowed_conntrack_helpers, or serve the routers with `pinhole agent --neutron`.',
  checks: 'allowed_conntrack_helpers of Neutron with the conntrack_helper extension',
  check(document, report) {
    if (document.kind !== 'neutron') return;
    const extension = document.settings.find(
      ({ key, value }) => /^(agent|AGENT)\.extensions$/.test(key) && value.split(/[\s,]+/).includes('conntrack_helper'),
    );
    const allowed = document.settings.find(({ key }) => key.endsWith('.allowed_conntrack_helpers'));
    const at = allowed ?? extension;
    if (!at) return;
    const pairs = allowed ? allowedPairs(allowed.value) : BREAKING.map(({ helper, protocol }) => `${helper}:${protocol}`);
    const breaking = BREAKING.filter(({ helper, protocol }) => pairs.includes(`${helper}:${protocol}`));
    if (breaking.length === 0) return;
    report({
      ...place(at),
      claim: `${breaking.map(({ helper, protocol }) => `${helper}/${protocol}`).join(', ')} can be created and break${breaking.length === 1 ? 's' : ''} the router`,
      evidence: [
        { line: at.line, fact: shown(at) },
        ...(allowed ? [] : [{ line: null, fact: 'allowed_conntrack_helpers is not set: its default allows twelve pairs' }]),
        {
          line: null,
          fact: `the kernel has ${breaking.map(({ helper, protocol }) => `${helper}/${protocol}: ${familiesText(helper, protocol)}`).join('; ')}`,
        },
      ],
      solution: { text: `Set allowed_conntrack_helpers to those that work for both families: ${WORKING}.`, diff: null },
      severity: 'high',
      confidence: 'certain',
    });
  },
};

const WORKING = NEUTRON_DEFAULT_PAIRS.filter((pair) => !BREAKING.includes(pair))
  .map(({ helper, protocol }) => `${helper}:${protocol}`)
  .join(',');

function familiesText(helper: string, protocol: 'tcp' | 'udp'): string {
  const kernel = findKernelHelper(helper, protocol);
  return !kernel || kernel.type !== helper ? 'no helper of that name' : 'IPv4 only';
}

/** oslo's list of dicts: `{'ftp': 'tcp'},{…}` or `ftp:tcp,sip:udp`. */
function allowedPairs(value: string): string[] {
  return [...value.matchAll(/(?<![\w.-])['"]?([\w.-]+)['"]?\s*:\s*['"]?([\w]+)['"]?/g)].map(
    ([, helper, protocol]) => `${helper}:${protocol}`,
  );
}

export const policyOpen: ConfigRule = {
  id: 'policy-open',
  cwe: 862,
  severity: 'high',
  title: 'a policy that lets everybody create helpers',
  why: 'A helper opens connections through a router. With an empty rule every authenticated user, of whatever project, may put one on any router that they can name.',
  remedy: 'Ask for the owner of the router, and for the role member.',
  checks: 'rules of policy files for conntrack helpers',
  check(document, report) {
    if (document.kind !== 'neutron-policy') return;
    for (const at of document.settings) {
      if (
        !/^(create|update|delete)_router_conntrack_helper$|^(create|update|delete)_conntrack_helper$/.test(at.key) ||
        !/^(@|)$/.test(at.value.trim())
      )
        continue;
      report({
        ...place(at),
        claim: `\`${at.key}\` lets everybody`,
        evidence: [
          { line: at.line, fact: `${at.key}: "${at.value}"` },
          { line: null, fact: 'an empty rule, like `@`, is always true (oslo.policy)' },
        ],
        solution: { text: 'Write `(rule:admin_only) or (role:member and rule:ext_parent_owner)`.', diff: null },
        severity: 'high',
        confidence: 'certain',
      });
    }
  },
};

export const cleartextBus: ConfigRule = {
  id: 'cleartext-bus',
  cwe: 319,
  severity: 'medium',
  title: 'a message bus without TLS',
  why: 'Agents take their orders from the bus. Whoever is on the way reads the password and can then give orders of their own: rules on every router of the cloud.',
  remedy: 'Turn TLS on for the broker, and say so here.',
  checks: 'how Neutron and Pinhole reach RabbitMQ',
  check(document, report) {
    const at = busUrl(document);
    if (!at || isLocal(at.value)) return;
    report({
      ...place(at),
      claim: `messages to the broker go in clear text, password first`,
      evidence: [
        { line: at.line, fact: shown(at) },
        { line: null, fact: document.kind === 'neutron' ? 'no `ssl = true` in [oslo_messaging_rabbit]' : 'the scheme is amqp, not amqps' },
      ],
      solution: {
        text: document.kind === 'neutron' ? 'Set `ssl = true` and `ssl_ca_file` in [oslo_messaging_rabbit].' : 'Use amqps://, with `ca`.',
        diff: null,
      },
      severity: 'medium',
      confidence: 'certain',
    });
  },
};

function busUrl(document: ConfigDocument): Setting | null {
  if (document.kind === 'neutron') {
    const ssl = setting(document, 'oslo_messaging_rabbit.ssl') ?? setting(document, 'oslo_messaging_rabbit.rabbit_use_ssl');
    const url = setting(document, 'DEFAULT.transport_url');
    return url && /^rabbit:/.test(url.value) && !(ssl && isOn(ssl.value)) && !/[?&]ssl=(1|true)/i.test(url.value) ? url : null;
  }
  if (document.kind !== 'pinhole') return null;
  const url = setting(document, 'bus.url');
  return url && /^amqp:/.test(url.value) ? url : null;
}

function isLocal(url: string): boolean {
  const hosts = url
    .replace(/^\w+:\/\//, '')
    .replace(/\/[\s\S]*$/, '')
    .split(',')
    .map((host) => host.replace(/^.*@/, ''));
  return hosts.every((host) => /^(127\.|localhost|\[::1\])/.test(host));
}

export const identityNone: ConfigRule = {
  id: 'identity-none',
  cwe: 306,
  severity: 'high',
  title: 'an API that asks nobody who they are',
  why: 'Whoever reaches the port may do everything: put helpers on any router, read the audit log, remove it all.',
  remedy: 'Use tokens or Keystone.',
  checks: "`identity.mode` of Pinhole's configuration",
  check(document, report) {
    if (document.kind !== 'pinhole') return;
    const at = setting(document, 'identity.mode');
    if (at?.value !== 'none') return;
    const listen = setting(document, 'listen');
    report({
      ...place(at),
      claim: 'the API does not ask who calls',
      evidence: [
        { line: at.line, fact: shown(at) },
        {
          line: listen?.line ?? null,
          fact: listen ? shown(listen) : 'it listens on 127.0.0.1:9797: every user and process of this host reaches it',
        },
      ],
      solution: { text: 'Set `identity.mode: token`, or `keystone`.', diff: null },
      severity: 'high',
      confidence: 'certain',
    });
  },
};

export const readableSecrets: ConfigRule = {
  id: 'readable-secrets',
  cwe: 732,
  severity: 'medium',
  title: 'a file with a password that everybody on the host may read',
  why: 'Every user and every process of the host can read the password, and act as the service that it belongs to.',
  remedy: 'chmod 0640, and give it to the group of the service.',
  checks: 'permissions of configuration files that hold passwords',
  check(document, report) {
    if (document.mode === null || (document.mode & 0o004) === 0) return;
    const at = document.settings.find(
      ({ key, value }) =>
        (/(^|[._])(password|secret|metadata_proxy_shared_secret|token)$/i.test(key) || /^\w+:\/\/[^/@:]+:[^/@]+@/.test(value)) &&
        value !== '',
    );
    if (!at) return;
    report({
      ...place(at),
      claim: `\`${at.key}\` stands in a file that everybody on the host may read`,
      evidence: [
        { line: at.line, fact: `${at.key} holds a secret` },
        { line: null, fact: `permissions ${(document.mode & 0o777).toString(8).padStart(4, '0')}` },
      ],
      solution: { text: 'chmod 0640, and chgrp it to the service.', diff: null },
      severity: 'medium',
      confidence: 'certain',
    });
  },
};

export const CONFIG_RULES: readonly ConfigRule[] = [
  policyOpen,
  identityNone,
  readableSecrets,
  automaticAssignment,
  cleartextBus,
  neutronBreakingHelper,
  modulePorts,
];
