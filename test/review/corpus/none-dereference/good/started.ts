import { createServer, type Server } from 'node:http';

export class Console {
  #server: Server | undefined;
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  start(): void {
    this.#server = createServer();
    this.#server.listen(this.#port);
  }

  stop(): void {
    this.#server?.close();
  }
}
