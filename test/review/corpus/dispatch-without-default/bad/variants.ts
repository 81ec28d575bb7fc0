export function handle(event: string): void {
  switch (event) { // finds: dispatch-without-default
    case 'created':
      create();
      break;
    case 'deleted':
      remove();
      break;
  }
}
export function handle2(message: { type: string }): void {
  if (message.type === 'created') create(); // finds: dispatch-without-default
  else if (message.type === 'deleted') remove();
}
