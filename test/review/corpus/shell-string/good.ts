import { execFile } from 'node:child_process';

export function remove(namespace: string): void {
  execFile('ip', ['netns', 'del', namespace]);
}

export function firstNumber(text: string): RegExpExecArray | null {
  return /\d+/.exec(text);
}
