import { interruption } from '../lab/interruption.ts';
import { ownPrefix, removeOrphans } from '../lab/scratch-network.ts';
import { FAMILIES, type Family } from '../model/catalogue.ts';
import { Denied } from '../model/errors.ts';
import { systemClock } from '../ports/clock.ts';
import { readRuleset, type SubjectReport } from '../review/engine.ts';
import type { Evidence, Finding } from '../review/finding.ts';
import { LOW_PORT } from '../review/ruleset/evaluate.ts';
import { CONNTRACK_PRIORITY } from '../review/ruleset/model.ts';
import { type Assignment, kernelHelper, NO_HOST, RulesetView } from '../review/ruleset/view.ts';
import type { Subject } from '../review/subject.ts';
import { Progress } from '../terminal/progress.ts';
import { ATTACKS } from './attacks.ts';
import { ProofLab } from './lab.ts';

/** The result of an experiment: the finding is confirmed, refuted, or nothing was tried. */
type Proof =
  | { readonly result: 'proved'; readonly evidence: readonly Evidence[] }
  | { readonly result: 'withdrawn'; readonly why: string }
  | { readonly result: 'untried'; readonly why: string };

const HIGH_TARGET = 40_022;
/** Control port of a helper that the proof itself assigns. */
const OWN_PORT = 6969;

/** The inputs of an experiment. */
interface Experiment {
  readonly lab: ProofLab;
  readonly subject: Subject;
  readonly view: RulesetView;
  readonly finding: Finding;
  readonly assignment: Assignment | null;
}

/** Experiments by rule. The other rules make claims that packets cannot confirm. */
const EXPERIMENTS: Readonly<Record<string, Try>> = {
  'related-to-low-ports': (experiment) => opens(experiment, LOW_PORT),
  'slipstreaming-exposure': (experiment) => opens(experiment, HIGH_TARGET),
  'related-accept-bare': passesAnother,
  'helper-without-related-accept': isDead,
  'wrong-priority': getsNone,
  'shadowed-assignment': getsAnother,
};

/** Prefix of the namespaces; orphans of killed runs are found by it. */
const FAMILY = 'phpv';

/**
 * Tries findings about rulesets in a scratch network. Confirmed findings become `proved`, with the trace as evidence; refuted
 * ones are withdrawn with a note. The result has the order of `parts`.
 * @param subjects the subjects of `parts`, in the same order
 * @throws Denied if the process is not root
 */
export async function prove(subjects: readonly Subject[], parts: readonly SubjectReport[]): Promise<SubjectReport[]> {
  if (process.getuid?.() !== 0) throw new Denied('--prove needs root: it makes network namespaces. Try again with sudo.');
  await removeOrphans(FAMILY);
  const { signal, dispose } = interruption();
  const progress = new Progress('tried', systemClock);
  const proved: SubjectReport[] = [];
  try {
    for (const [index, part] of parts.entries()) {
      const subject = subjects[index];
      proved.push(subject && part.reviewed?.family === 'ruleset' ? await proveSubject(subject, part, { signal, progress }) : part);
    }
  } finally {
    progress.end();
    dispose();
  }
  return proved;
}

async function proveSubject(
  subject: Subject,
  part: SubjectReport,
  { signal, progress }: { signal: AbortSignal; progress: Progress },
): Promise<SubjectReport> {
  const notes = [...part.notes];
  const findings: Finding[] = [];
  const view = new RulesetView(subject.name, readRuleset(subject), { host: NO_HOST });
  for (const [index, finding] of part.findings.entries()) {
    const experiment = EXPERIMENTS[finding.rule];
    const proof =
      finding.suppressed !== null || !experiment
        ? null
        : await tryOne(subject, view, { finding, prefix: `${ownPrefix(FAMILY)}x${index}`, experiment });
    signal.throwIfAborted();
    progress.update(index + 1, part.findings.length);
    if (proof?.result === 'proved') findings.push({ ...finding, confidence: 'proved', evidence: [...finding.evidence, ...proof.evidence] });
    else if (proof?.result === 'withdrawn')
      notes.push({ subject: subject.name, line: finding.line, note: `${finding.rule} withdrawn: ${proof.why}` });
    else {
      findings.push(finding);
      if (proof) notes.push({ subject: subject.name, line: finding.line, note: `${finding.rule} not tried: ${proof.why}` });
    }
  }
  return { ...part, findings, notes };
}

/** Runs an experiment in a loaded lab. */
type Try = (experiment: Experiment) => Promise<Proof>;

/**
 * Tries a finding in each family. A claim that something is open needs one family that confirms it; a claim that something is
 * closed needs all of them.
 */
async function tryOne(
  subject: Subject,
  view: RulesetView,
  { finding, prefix, experiment }: { finding: Finding; prefix: string; experiment: Try },
): Promise<Proof> {
  // nft runs as root here, and a ruleset must not make it read files of this host.
  if (subject.kind === 'nft' && /(^|[;{}])\s*include\b/m.test(subject.text))
    return { result: 'untried', why: 'the ruleset includes other files' };
  const assignment = assignmentOf(view, finding);
  const decides = experiment === isDead ? 'withdrawn' : 'proved';
  const proofs: Proof[] = [];
  for (const family of familiesOf(finding, experiment === passesAnother ? null : assignment)) {
    const proof = await tryIn({ subject, view, finding, assignment, family }, { prefix, experiment });
    if (proof.result === decides) return proof;
    proofs.push(proof);
  }
  return (
    proofs.find(({ result }) => result === 'untried') ?? proofs[0] ?? { result: 'untried', why: 'its helper is for neither IPv4 nor IPv6' }
  );
}

/** Tries a finding in one family, in a lab of its own. */
async function tryIn(
  tried: Omit<Experiment, 'lab'> & { family: Family },
  { prefix, experiment }: { prefix: string; experiment: Try },
): Promise<Proof> {
  let lab: ProofLab | null = null;
  try {
    lab = await ProofLab.open(tried.view, tried, prefix);
    const problem = await lab.load(tried.subject);
    if (problem !== null) return { result: 'untried', why: `this kernel does not accept the ruleset: ${problem}` };
    return await experiment({ ...tried, lab });
  } catch (error) {
    return { result: 'untried', why: `the laboratory failed: ${(error as Error).message.split('\n')[0]?.slice(0, 200)}` };
  } finally {
    await lab?.close();
  }
}

/** Families of packets that reach the table of a finding, and for which the helper exists. */
function familiesOf({ symbol }: Finding, assignment: Assignment | null): readonly Family[] {
  const table = symbol?.split(' ')[0];
  const helper = assignment && kernelHelper(assignment);
  return FAMILIES.filter(
    (family) =>
      table !== (family === 'ipv4' ? 'ip6' : 'ip') &&
      (!assignment || assignment.families.includes(family)) &&
      (!helper || helper.families.includes(family)),
  );
}

/**
 * The assignment that a finding is about: the one at its line, or else the first one that the claim names and for which an
 * attack exists.
 */
function assignmentOf(view: RulesetView, finding: Finding): Assignment | null {
  const own = view.assignments.filter(
    ({ line, place }) => line === finding.line && place && finding.symbol === view.symbol(place.chain, place.rule),
  );
  if (own.length > 0)
    return own.find(({ type }) => finding.claim.startsWith(type) || finding.claim.includes(`through ${type} `)) ?? own[0] ?? null;
  return view.assignments.find(({ type }) => ATTACKS.has(type) && finding.claim.includes(type)) ?? view.assignments[0] ?? null;
}

/** The first port of an assignment; null: it names none. */
function portOf(assignment: Assignment): number | null {
  return assignment.ports?.[0]?.[0] ?? null;
}

/** Attacks the helper: the client announces a port, and the server tries to connect to it. */
async function opens({ lab, assignment }: Experiment, target: number): Promise<Proof> {
  const port = assignment && portOf(assignment);
  if (!assignment || port === null || port === undefined || !ATTACKS.has(assignment.type))
    return { result: 'untried', why: `no attack on ${assignment?.type ?? 'this'} is implemented` };
  const [client, server] = [lab.network.client.host, lab.network.server.host];
  const announced = `${client} announced its port ${target} to ${server} through ${assignment.type}, and ${server}`;
  return attacked(
    lab,
    { helper: assignment.type, port, target },
    {
      unreached: `the ruleset does not let the laboratory's client (${client}) reach ${server} port ${port}`,
      withdrawn: `${announced} could not reach it`,
      watched: `${announced} reached it`,
    },
  );
}

/** Assigns a helper that the ruleset does not name, and tries whether its related connections pass. */
async function passesAnother({ lab }: Experiment): Promise<Proof> {
  const [client, server] = [lab.network.client.host, lab.network.server.host];
  await lab.add(
    `table inet pinhole_proof_other {\n\tct helper other {\n\t\ttype "tftp" protocol udp\n\t\tl3proto inet\n\t}\n\tchain assign {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n\t\tudp dport ${OWN_PORT} ct helper set "other"\n\t}\n}\n`,
  );
  return attacked(
    lab,
    { helper: 'tftp', port: OWN_PORT, target: HIGH_TARGET },
    {
      unreached: `the ruleset does not let the laboratory's client reach ${server} udp port ${OWN_PORT}`,
      withdrawn: 'related connections of a helper from another table were not let in',
      watched: `a helper that another table assigned (tftp on udp port ${OWN_PORT}) opened ${client} port ${HIGH_TARGET}`,
    },
  );
}

/** The proof that an attack gives, with a text for each outcome. */
async function attacked(
  lab: ProofLab,
  { helper, port, target }: { helper: string; port: number; target: number },
  words: { unreached: string; withdrawn: string; watched: string },
): Promise<Proof> {
  const outcome = await lab.attack(helper, port, target);
  const untried = (why: string): Proof => ({ result: 'untried', why });
  if (!outcome.control) return untried(words.unreached);
  if (!outcome.helped) return untried(`the connection of the laboratory did not get ${helper}: the assignment is for other connections`);
  if (!outcome.reached) return { result: 'withdrawn', why: words.withdrawn };
  if (!outcome.related)
    return untried(`${lab.network.server.host} reaches port ${target} in the laboratory without the helper: no rule keeps it closed`);
  return { result: 'proved', evidence: [`watched: ${words.watched}`, ...outcome.trace.map((line) => `trace: ${line}`)].map(said) };
}

function said(fact: string): Evidence {
  return { line: null, fact };
}

/** The claim that nothing passes: it is confirmed if the attack on the helper fails. */
async function isDead(experiment: Experiment): Promise<Proof> {
  const { lab, assignment } = experiment;
  const found = await opens(experiment, HIGH_TARGET);
  if (found.result === 'proved') return { result: 'withdrawn', why: `related connections of ${assignment?.type} did pass` };
  if (found.result === 'untried') return found;
  return {
    result: 'proved',
    evidence: [
      said(`watched: ${lab.network.client.host} announced its port ${HIGH_TARGET} through ${assignment?.type}, and nothing reached it`),
    ],
  };
}

/** The helper that a connection to the port of an assignment got, or why that is unknown. */
async function attached({ lab, view, assignment }: Experiment): Promise<{ port: number; type: string | null } | { why: string }> {
  const port = assignment && portOf(assignment);
  const protocol = assignment?.protocol;
  if (port === null || port === undefined || (protocol !== 'tcp' && protocol !== 'udp')) return { why: 'it names no single port' };
  const types = [...new Set(view.assignments.filter((one) => kernelHelper(one)).map(({ type }) => type))];
  const { seen, type } = await lab.helperOf(protocol, port, types);
  return seen ? { port, type } : { why: `a connection to ${protocol} port ${port} did not pass the router: some rule drops it` };
}

/** The claim that connections do not get the helper. */
async function getsNone(experiment: Experiment): Promise<Proof> {
  const found = await attached(experiment);
  if ('why' in found) return { result: 'untried', why: found.why };
  const proof = otherThan(experiment, found);
  const isBesideConntrack = experiment.assignment?.place?.base.priority === CONNTRACK_PRIORITY;
  return proof.result === 'withdrawn' && isBesideConntrack ? getsNoneAgain(experiment) : proof;
}

/**
 * Repeats the experiment after loading the ruleset again: the order of two hooks at one priority depends on the order of
 * registration.
 */
async function getsNoneAgain(experiment: Experiment): Promise<Proof> {
  const { lab, subject, assignment } = experiment;
  const problem = await lab.reload(subject);
  if (problem !== null) return { result: 'untried', why: `this kernel does not accept the ruleset a second time: ${problem}` };
  const again = await attached(experiment);
  if ('why' in again) return { result: 'untried', why: again.why };
  const proof = otherThan(experiment, again);
  if (proof.result !== 'proved') return proof;
  const before = said(`watched: a connection to port ${again.port} got ${assignment?.type}; then the ruleset was loaded again`);
  return { result: 'proved', evidence: [before, ...proof.evidence] };
}

/** The claim that connections get another helper, or, if a rule ends the chain before, none. */
async function getsAnother(experiment: Experiment): Promise<Proof> {
  const found = await attached(experiment);
  if ('why' in found) return { result: 'untried', why: found.why };
  if (found.type === null && !experiment.assignment?.endedBy)
    return { result: 'untried', why: `a connection to port ${found.port} got no helper at all` };
  return otherThan(experiment, found);
}

function otherThan({ assignment }: Experiment, { port, type }: { port: number; type: string | null }): Proof {
  if (type === assignment?.type) return { result: 'withdrawn', why: `a connection to port ${port} got ${type}` };
  return { result: 'proved', evidence: [said(`watched: a connection to port ${port} got ${type ?? 'no helper'}`)] };
}
