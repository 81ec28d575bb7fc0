let current = '';
const listeners: (() => void)[] = [];

export function setCurrent(version: string): void {
  current = version;
}

export function onChange(listener: () => void): void {
  listeners.push(() => current !== '' && listener());
}
