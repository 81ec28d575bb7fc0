import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
export function a(path: string): void {
  const fd = openSync(path, 'r'); // finds: resource-not-released
  readSync(fd, Buffer.alloc(10));
  parse(path);
  closeSync(fd);
}
export async function b(path: string): Promise<string> {
  const handle = await open(path); // finds: resource-not-released
  const text = await handle.readFile('utf8');
  await handle.close();
  return text;
}
