export function kindOf(event: string): 'map' | 'array' | undefined {
  switch (event) {
    case 'properties':
      return 'map';
    case 'allOf':
    case 'anyOf':
      return 'array';
  }
}
