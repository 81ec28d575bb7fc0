import type { Change } from './differences.ts';
import type { Endpoint } from './endpoint.ts';
import type { Trial } from './trials.ts';

/** What became of one attempt to reach a port. */
export type Passage =
  /** It arrived. */
  | 'passed'
  /** It was refused at once: by the end, or by a firewall that rejects. */
  | 'refused'
  /** Nothing came back in time. */
  | 'silent'
  /** It was not attempted; the trial says why. */
  | 'untried';

/** Attempts in one direction: to the port that was announced, and to another that was not. */
export interface Hole {
  readonly direction: 'to-client' | 'to-reflector';
  /** Where the announced attempt went. */
  readonly target: Endpoint;
  readonly announced: Passage;
  readonly quiet: Passage;
}

/** What a trial found. */
export interface Observed {
  /** Why the control connection gave no answer; null: it did. */
  readonly broken: string | null;
  /** Whether the client's address or port is another one outside: source NAT. */
  readonly clientTranslated: boolean;
  /** Whether the reflector is at another address or port than the client asked for: destination NAT. */
  readonly reflectorTranslated: boolean;
  readonly rewritten: { readonly toReflector: readonly Change[]; readonly toClient: readonly Change[] };
  readonly holes: readonly Hole[];
}

/**
 * What the path shows of an ALG. `present`: the text was rewritten, or only the announced port was treated in another way. `none`: an
 * ALG was needed, and none did its work; one whose holes a firewall closes without NAT looks the same. `unknown`: the path needs no
 * ALG, so that one would not be noticed.
 */
export type Alg = 'present' | 'none' | 'unknown';

/** What follows from a trial. */
export interface Verdict {
  readonly alg: Alg;
  /** Whether the announced connections arrived: all, some or none of them. `untested`: there was no announcement. */
  readonly data: 'passed' | 'partly' | 'blocked' | 'untested';
  /** Sentences that say why. */
  readonly why: readonly string[];
}

/** Draws the conclusion. It claims an ALG only on a sign that has no other cause. */
export function judge(trial: Trial, observed: Observed): Verdict {
  const { broken, holes } = observed;
  const { alg, why } = algOf(trial, observed);
  const announced = holes.filter((hole) => hole.announced !== 'untried');
  if (announced.length === 0) return { alg, data: 'untested', why: [broken ?? 'nothing was announced', ...(alg === 'present' ? why : [])] };
  const passed = announced.filter((hole) => hole.announced === 'passed').length;
  const data = passed === holes.length ? 'passed' : passed > 0 ? 'partly' : 'blocked';
  return { alg, data, why: broken === null ? why : [broken, ...why] };
}

function algOf(trial: Trial, { rewritten, holes, ...observed }: Observed): { alg: Alg; why: string[] } {
  const signs = [
    ...(rewritten.toReflector.length > 0 ? ['the text to the reflector was rewritten'] : []),
    ...(rewritten.toClient.length > 0 ? ['the text to the client was rewritten'] : []),
    ...holes.flatMap(signOf),
  ];
  if (signs.length > 0) return { alg: 'present', why: signs };
  const unmentioned = [
    ...(trial.namesClient && observed.clientTranslated ? ["NAT changes the client's address"] : []),
    ...(trial.namesReflector && observed.reflectorTranslated ? ["NAT changes the reflector's address"] : []),
  ];
  const isAnnounced = observed.broken === null && holes.length > 0;
  if (isAnnounced && unmentioned.length > 0)
    return { alg: 'none', why: [`${unmentioned.join(' and ')}, and no ALG puts the new one into the text`] };
  if (isAnnounced && holes.some(isClosed))
    return { alg: 'none', why: ['the announced port is as closed as any other: no ALG opens it, or a rule drops what it opens'] };
  return {
    alg: 'unknown',
    why: [isAnnounced ? 'ports that were not announced are open too, so an ALG would not be noticed' : 'no announcement passed'],
  };
}

/** A difference between the announced port and the other one is a sign: only a reader of the text can make it. */
function signOf({ direction, announced, quiet }: Hole): string[] {
  if (announced === 'untried' || quiet === 'untried') return [];
  const to = direction === 'to-client' ? 'to the client' : 'to the reflector';
  if (announced === 'passed' && quiet !== 'passed') return [`only the announced port is open ${to}`];
  if (announced !== 'passed' && quiet === 'passed') return [`only the announced port is closed ${to}: what an ALG admits is dropped`];
  return [];
}

function isClosed({ announced, quiet }: Hole): boolean {
  return announced !== 'passed' && announced !== 'untried' && quiet !== 'passed' && quiet !== 'untried';
}
