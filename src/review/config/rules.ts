import { findKernelHelper, NEUTRON_DEFAULT_PAIRS } from '../../model/catalogue.ts';
import { type ConfigDocument, isOn, type Setting, setting } from './document.ts';
import { type ConfigRule, place, shown } from './rule.ts';

export const automaticAssignment: ConfigRule = {
  id: 'automatic-assignment',
  cwe: 1188,
  severity: 'high',
  title: 'helpers assigned to every connection by its port',
  why: 'Every connection to a usual port gets a helper, whatever its source and destination. Any client behind the router can have ports opened. Linux turned this off by default in 4.7 and removed it in 6.0.',
  remedy: 'Turn it off, and assign helpers by rule to the connections that need them.',
  checks: 'settings of the kernel and of firewall programs that assign helpers automatically',
  check(document, report) {
    const found = automatic(document);
    if (!found) return;
    report({
      ...place(found.at),
      claim: `\`${shown(found.at)}\` assigns helpers to connections by port alone, from any source`,
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

/** The setting that turns automatic assignment on, by format; null: there is none. */
function automatic(document: ConfigDocument): { at: Setting; why: string; cure: string } | null {
  switch (document.kind) {
    case 'sysctl': {
      const at = setting(document, 'net.netfilter.nf_conntrack_helper');
      return at?.value === '1'
        ? { at, why: 'it turns on the automatic assignment of the kernel (before Linux 6.0)', cure: 'Set it to 0.' }
        : null;
    }
    case 'firewalld-conf': {
      const at = setting(document, 'AutomaticHelpers');
      return at && isOn(at.value)
        ? {
            at,
            why: 'firewalld turns on the automatic assignment of the kernel (firewalld.conf(5))',
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
  title: 'ports of a helper set as a module option',
  why: 'Only automatic assignment reads this option. With automatic assignment off, the default since Linux 4.7, the option has no effect and the port has no helper, contrary to what the file suggests. With it on, every connection to the port gets the helper.',
  remedy: 'Assign the helper on that port with a firewall rule.',
  checks: '`ports=` of nf_conntrack modules',
  check(document, report) {
    if (document.kind !== 'modprobe') return;
    for (const at of document.settings) {
      if (!/^(nf|ip)_conntrack_\w+\.ports$/.test(at.key)) continue;
      report({
        ...place(at),
        claim: `\`${shown(at)}\` has no effect, unless the kernel assigns helpers to every connection`,
        evidence: [
          { line: at.line, fact: shown(at) },
          { line: null, fact: 'only automatic assignment reads the option: off by default since Linux 4.7, removed in 6.0' },
        ],
        solution: { text: 'Remove it, and add a rule that assigns the helper on the port.', diff: null },
        severity: 'low',
        confidence: 'certain',
      });
    }
  },
};

/** Pairs of Neutron's default list with which the agent's iptables-restore fails, for one family or both. */
const BREAKING = NEUTRON_DEFAULT_PAIRS.filter(
  ({ helper, protocol }) => !findKernelHelper(helper, protocol)?.families.includes('ipv6') || helper === 'h323',
);

export const neutronBreakingHelper: ConfigRule = {
  id: 'neutron-breaking-helper',
  cwe: 573,
  severity: 'high',
  title: 'a helper that Neutron allows and that breaks its router',
  why: "Neutron's agent passes the name unchanged to iptables and ip6tables. For these names the kernel has no helper, or none for IPv6. The restore fails, the rule stays in the agent's memory, and every later change of that router fails too, including floating IPs.",
  remedy: 'Remove these helpers from allowed_conntrack_helpers, or serve the routers with `pinhole agent --neutron`.',
  checks: 'allowed_conntrack_helpers in Neutron configurations that load the conntrack_helper extension',
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
      solution: { text: `Set allowed_conntrack_helpers to the helpers that work for both families: ${WORKING}.`, diff: null },
      severity: 'high',
      confidence: 'certain',
    });
  },
};

/** Neutron's pairs that work for both families, in the notation of the option. */
const WORKING = NEUTRON_DEFAULT_PAIRS.filter((pair) => !BREAKING.includes(pair))
  .map(({ helper, protocol }) => `${helper}:${protocol}`)
  .join(',');

function familiesText(helper: string, protocol: 'tcp' | 'udp'): string {
  const kernel = findKernelHelper(helper, protocol);
  return !kernel || kernel.type !== helper ? 'no helper of that name' : 'IPv4 only';
}

/** Pairs in the two notations of oslo.config's list of dicts: `{'ftp': 'tcp'},{…}` and `ftp:tcp,sip:udp`. */
function allowedPairs(value: string): string[] {
  return [...value.matchAll(/(?<![\w.-])['"]?([\w.-]+)['"]?\s*:\s*['"]?([\w]+)['"]?/g)].map(
    ([, helper, protocol]) => `${helper}:${protocol}`,
  );
}

export const policyOpen: ConfigRule = {
  id: 'policy-open',
  cwe: 862,
  severity: 'high',
  title: 'a policy that lets every user create helpers',
  why: 'A helper opens ports through a router. With an empty rule, every authenticated user of every project may create one on any router whose id they know.',
  remedy: 'Require the owner of the router, with the role member.',
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
        claim: `\`${at.key}\` allows every user`,
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
  why: 'Agents act on the messages of the bus. An attacker on the network path can read the password and then send messages: rules on every router of the cloud.',
  remedy: 'Turn on TLS in the broker, and in this file.',
  checks: 'how Neutron and Pinhole reach RabbitMQ',
  check(document, report) {
    const at = busUrl(document);
    if (!at || isLocal(at.value)) return;
    report({
      ...place(at),
      claim: `messages to the broker are sent in clear text, including the password`,
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

/** The setting with an unencrypted URL of the broker; null: there is none. */
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

/** Whether all brokers of a URL are on this host: their messages stay off the network. */
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
  title: 'an API without authentication',
  why: 'Every client that reaches the port may do everything: create helpers on any router, read the audit log, delete all helpers.',
  remedy: 'Authenticate clients by token or with Keystone.',
  checks: "`identity.mode` of Pinhole's configuration",
  check(document, report) {
    if (document.kind !== 'pinhole') return;
    const at = setting(document, 'identity.mode');
    if (at?.value !== 'none') return;
    const listen = setting(document, 'listen');
    report({
      ...place(at),
      claim: 'the API does not authenticate its callers',
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
  title: 'a file with a password that every user of the host can read',
  why: 'Every user and every process of the host can read the password and act as the service.',
  remedy: 'Set mode 0640, and make the group of the service its group.',
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
      claim: `\`${at.key}\` is in a file that every user of the host can read`,
      evidence: [
        { line: at.line, fact: `${at.key} holds a secret` },
        { line: null, fact: `permissions ${(document.mode & 0o777).toString(8).padStart(4, '0')}` },
      ],
      solution: { text: 'Set mode 0640, and the group of the service (`chmod`, `chgrp`).', diff: null },
      severity: 'medium',
      confidence: 'certain',
    });
  },
};

/** In the order of the pillars of CWE-1000, by severity. */
export const CONFIG_RULES: readonly ConfigRule[] = [
  policyOpen,
  identityNone,
  readableSecrets,
  automaticAssignment,
  cleartextBus,
  neutronBreakingHelper,
  modulePorts,
];
