export function shortName(name: string): string {
  let baseName = name;
  if (name.endsWith('Error')) baseName = name.substring(0, name.length - 5);
  return baseName;
}
