import { cweUrl, typeName } from '../cwe.ts';
import type { Finding } from '../finding.ts';
import { findingsOf, type Report } from '../report.ts';
import { verdictOf } from './by-type.ts';
import { noteLines, summary } from './summary.ts';
import { lineText, printable, withCode } from './text.ts';

const STYLE = `
:root { color-scheme: light dark; --edge: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-bottom: 1px solid var(--edge); padding-bottom: .2rem; margin-top: 2.2rem; font-size: 1.15rem; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .6rem .8rem; overflow-x: auto; border-radius: .3rem; }
article { border: 1px solid var(--edge); border-left-width: 5px; border-radius: .3rem; padding: .7rem 1rem; margin: 1rem 0; }
.critical, .high { border-left-color: #c62828; } .medium { border-left-color: #e08a00; } .low { border-left-color: #2f7dd1; } .info { border-left-color: #888; }
article h3 { margin: 0 0 .3rem; font-size: 1rem; } .meta { opacity: .75; font-size: .85rem; }
table { border-collapse: collapse; margin: .6rem 0; } td { padding: .1rem .7rem .1rem 0; vertical-align: top; } td:first-child { text-align: right; opacity: .7; }
.clean { opacity: .8; } .add { color: #2e7d32; } .del { color: #c62828; }
@media (prefers-color-scheme: dark) { .add { color: #81c784; } .del { color: #ef9a9a; } }`;

/** A self-contained HTML page: no scripts, no requests; the content security policy enforces it. */
export function html(report: Report): string {
  const sections = report.types.map((type) => {
    const found = findingsOf(report, type);
    const verdict = verdictOf(report, type, found);
    const body = [...(verdict === null ? [] : [`<p class="clean">${marked(verdict)}</p>`]), ...found.map(article)].join('\n');
    return `<section><h2><a href="${cweUrl(type)}">CWE-${type}</a> ${escaped(typeName(type))} (${found.length})</h2>\n${body}</section>`;
  });
  const suppressed = report.suppressed.map(
    (one) => `<li><code>${escaped(`${one.subject}:${one.line}`)}</code> ${one.rule}: ${escaped(one.suppressed ?? '')}</li>`,
  );
  const notes = noteLines(report).map((note) => `<li>${escaped(note)}</li>`);
  return printable(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Security review</title><style>${STYLE}</style></head>
<body><h1>Security review</h1><p>${escaped(summary(report))}.</p>
${sections.join('\n')}
${suppressed.length > 0 ? `<section><h2>Suppressed</h2><ul>${suppressed.join('\n')}</ul></section>` : ''}
${notes.length > 0 ? `<section><h2>Notes</h2><ul>${notes.join('\n')}</ul></section>` : ''}
</body></html>
`);
}

function article(finding: Finding): string {
  const { subject, symbol, claim, evidence, solution, severity, confidence, rule, cwe } = finding;
  const rows = evidence.map(({ line, fact }) => `<tr><td>${line ?? ''}</td><td>${marked(fact)}</td></tr>`).join('');
  const diff = solution.diff ? `<pre>${solution.diff.split('\n').map(diffLine).join('\n')}</pre>` : '';
  return `<article class="${severity}"><h3>${marked(claim)}</h3>
<p class="meta"><code>${escaped(subject)}</code>, ${lineText(finding).toLowerCase()}${symbol ? `, <code>${escaped(symbol)}</code>` : ''} · ${severity}, ${confidence} · ${rule} · <a href="${cweUrl(cwe)}">CWE-${cwe}</a> ${escaped(typeName(cwe))}</p>
<table>${rows}</table><p>Solution: ${marked(solution.text)}</p>${diff}</article>`;
}

function diffLine(line: string): string {
  const kind = line.startsWith('+') ? 'add' : line.startsWith('-') ? 'del' : null;
  return kind ? `<span class="${kind}">${escaped(line)}</span>` : escaped(line);
}

/** Escaped text in which parts in backticks are `<code>`. */
function marked(text: string): string {
  return withCode(text, { code: (part) => `<code>${escaped(part)}</code>`, plain: escaped });
}

/** Text with the characters of markup as character references. */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
