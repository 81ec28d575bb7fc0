/** Checks the tree in `root`. @returns one line for each problem: file, line, and what is wrong */
export function problemsOf(root: string): string[];
