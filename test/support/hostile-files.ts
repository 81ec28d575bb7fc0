import type { Subject, SubjectKind } from '../../src/review/subject.ts';

const KIB = 1024;

/** Bounds of files, by what they are (src/review/files.ts), for a share of them. */
function sizes(share: number) {
  return { source: 1000 * KIB * share, rules: 2000 * KIB * share, config: 190 * KIB * share };
}

function fill(unit: string, size: number): string {
  return unit.repeat(Math.floor(size / unit.length));
}

/** Numbered pieces, up to a size. */
function lines(size: number, make: (index: number) => string): string {
  const found: string[] = [];
  for (let length = 0, index = 0; ; index++) {
    const line = make(index);
    length += line.length;
    if (length > size) return found.join('');
    found.push(line);
  }
}

const HELPER = 'ct helper f {\ntype "ftp" protocol tcp\n}\n';
const chain = (rules: string) =>
  `table inet t {\n${HELPER}chain p {\ntype filter hook prerouting priority mangle;\n${rules}}\nchain a {\ntcp dport 21 ct helper set "f"\n}\n}\n`;

/**
 * Files made to keep the reviewer busy, or to crash it. Each is as large as files.ts allows for its kind, or a share of that.
 */
export function hostileFiles(share: number): Subject[] {
  const { source, rules, config } = sizes(share);
  const cases: [string, SubjectKind, string][] = [
    ['elif', 'python', `if a:\n  pass\n${fill('elif a == 1:\n  pass\n', source)}`],
    ['comparisons', 'python', `a = 1${fill(' < 1', source)}`],
    ['joined strings', 'python', `a = (${fill('"x" ', source)})`],
    ['functions', 'python', fill('def f(a, b):\n    c = a.get(b)\n    return c.d\n\n', source)],
    ['one function', 'python', `def f(a):\n${fill('    b = a.get(1)\n', source / 3)}`],
    [
      'a loop',
      'python',
      `class A:\n  def f(self, ids):\n    for i in ids:\n${fill('      x = self.m.get(i)\n      if not x: return\n      self.n.append(x)\n', source / 3)}`,
    ],
    [
      'methods under a lock',
      'python',
      `class A:\n${lines(source / 3, (i) => `  def m${i}(self):\n    self.m${i + 1}()\n    self.m${i + 2}()\n    with self.lock:\n      self.x = 1\n`)}`,
    ],
    ['calls', 'python', lines(source / 3, (i) => `def f${i}(x):\n  y = f${i + 1}(x)\n  return y.z\n`)],
    ['variables', 'python', `def f():\n${lines(source / 3, (i) => `    v${i} = 1\n`)}`],
    ['imports', 'python', lines(source / 3, (i) => `import m${i}\n`)],
    ['handlers', 'python', fill('try:\n  a()\nexcept Exception:\n  pass\n', source / 3)],
    ['rules as text', 'python', fill("x = '-p %s --dport %s -j ACCEPT' % (a, b)\n", source / 3)],
    ['suppressions', 'python', fill('# pinhole-review: ignore a -- b\n', source)],
    ['statements', 'python', fill('a.b\n', source)],
    ['patterns', 'python', `import re\n${fill("m = re.match('(a*)*b', x)\nm.group()\n", source / 3)}`],
    ['a pattern that is never done', 'python', `import re\nm = re.match('(.*)*(.*)*(.*)*(.*)*(.*)*=$', x)\nm.group()\n`],
    ['a pattern of many groups', 'python', `import re\nm = re.match('${'('.repeat(3000)}${')'.repeat(3000)}', x)\nm.group()\n`],
    ['blanks', 'python', ' '.repeat(source)],
    ['branches', 'typescript', fill('if (a) { b(); }\n', source / 3)],
    ['empty handlers', 'typescript', `async function f() {\n${fill('try { a(); } catch { /* x */ }\n', source / 3)}}\n`],
    ['methods', 'typescript', `class A {\n${lines(source / 3, (i) => `m${i}() { this.x = ${i}; }\n`)}}\n`],
    ['cases', 'typescript', `function f(event: string) { switch (event) {\n${fill("case 'a': b(); break;\n", source / 3)}}}\n`],
    ['unions', 'typescript', `type A = 1${fill(' | 1', source)}`],
    ['variance', 'typescript', fill('interface A<in out B> {', source)],
    ['symbols', 'typescript', fill('@#$%^&*(', source)],
    ['one line', 'typescript', fill('!function(e,t){var n=e.a(t);return n&&n.b}(a,b);', source / 3)],
    ['chains', 'nft', `table inet t {\n${lines(rules / 2, (i) => `chain c${i} {\njump c${i + 1}\n}\n`)}}\n`],
    ['jumps', 'nft', chain(fill('jump a\n', rules / 2))],
    ['assignments', 'nft', chain(fill('tcp dport 21 ct helper set "f"\n', rules / 2))],
    [
      'assignments after what is accepted',
      'nft',
      chain(lines(rules / 2, (i) => `tcp dport ${(i % 30_000) + 1} accept\ntcp dport ${(i % 30_000) + 30_000} ct helper set "f"\n`)),
    ],
    ['a map', 'nft', chain(`ct helper set tcp dport map { ${lines(rules / 2, (i) => `${i + 1} : "f", `)} }\n`)],
    [
      'a set',
      'nft',
      `table inet t {\nset s {\ntype inet_service\nelements = { ${lines(rules / 4, (i) => `${i + 1}, `)} }\n}\n${HELPER}chain p {\ntype filter hook prerouting priority mangle;\n${fill('tcp dport @s ct helper set "f"\n', rules / 100)}}\n}\n`,
    ],
    [
      'variables of variables',
      'nft',
      `define a0 = { 1, 2, 3, 4 }\n${Array.from({ length: 40 }, (_, i) => `define a${i + 1} = { $a${i}, $a${i} }\n`).join('')}table inet t {\nchain c {\ntype filter hook input priority 0;\ntcp dport $a40 accept\n}\n}\n`,
    ],
    ['quotes', 'nft', `table inet t {\nchain c {\n${'"'.repeat(rules)}`],
    ['a word', 'nft', 'a'.repeat(rules)],
    ['rules', 'iptables', `*raw\n:PREROUTING ACCEPT [0:0]\n${fill('-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\n', rules)}COMMIT\n`],
    ['quotes', 'iptables', `*raw\n-A PREROUTING ${'"'.repeat(rules)}`],
    ['backslashes', 'iptables', `*raw\n-A PREROUTING "${'\\'.repeat(rules)}`],
    [
      'depth',
      'nft-json',
      `{"nftables":[{"rule":{"family":"inet","table":"t","chain":"c","expr":[{"match":{"op":"==","left":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)},"right":1}}]}}]}`,
    ],
    [
      'items',
      'nft-json',
      `{"nftables":[${fill('{"rule":{"family":"inet","table":"t","chain":"c","expr":[{"accept":null}]}},', rules * 3)}{}]}`,
    ],
    ['keys', 'pinhole', lines(config, (i) => `k${i}: 1\n`)],
    ['items', 'pinhole', fill('- 1\n', config)],
    ['colons', 'pinhole', fill(': : : -\n', config)],
    ['anchors', 'pinhole', fill('&a *a : &a\n', config)],
    ['depth', 'pinhole', `${'- '.repeat(config / 2)}a`],
    ['brackets', 'pinhole', `a: ${'['.repeat(config)}`],
    ['sections', 'neutron', fill('[a]\nb = c\n', config)],
    ['services', 'firewalld', `<zone>${fill('<service name="ftp"/>', config)}</zone>`],
    ['depth', 'firewalld', `<zone>${fill('<a>', config)}`],
    ['conditions', 'shorewall-conntrack', fill('?if a\nCT:helper:ftp:P - - tcp 21\n', config)],
    ['rules', 'openwrt', fill("config rule\n\toption set_helper 'ftp'\n", config)],
    ['blanks', 'openwrt', `config ${' '.repeat(config)}`],
    ['hashes', 'sysctl', `a = ${fill('# ', config)}`],
  ];
  return cases.map(([what, kind, text]) => ({ name: `${kind}: ${what}`, kind, text, mode: null }));
}
