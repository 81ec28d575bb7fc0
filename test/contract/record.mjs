/** Plays the rows against a Neutron API and keeps its answers: `node test/contract/record.mjs http://127.0.0.1:9696`. */
import { writeFileSync } from 'node:fs';
import { play } from './rows.mjs';

const [url] = process.argv.slice(2);
const answers = await play(url);
writeFileSync(new URL('./answers.json', import.meta.url), `${JSON.stringify(answers, null, 1)}\n`);
process.stdout.write(`${answers.length} answers\n`);
