import { createServer } from 'node:net';
export class Server {
  constructor(bus: Bus) {
    bus.on('message', (message) => this.onMessage(message));
  }
  onMessage(message: { items: string[] }): void {
    for (const item of message.items) { // finds: unbounded-received-list
      this.process(item);
    }
  }
}
