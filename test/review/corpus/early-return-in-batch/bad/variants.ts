export class Agent {
  private devices = new Map<string, Device>();
  async sync(ports: Port[]): Promise<void> {
    for (const port of ports) {
      const device = this.devices.get(port.id);
      if (!device) return; // finds: early-return-in-batch
      await device.plug(port);
    }
  }
  async two(ports: Port[]): Promise<void> {
    for (const port of ports) {
      if (!this.devices.has(port.id)) return; // finds: early-return-in-batch
      await this.devices.get(port.id)!.plug(port);
    }
  }
  three(ports: Port[]): void {
    for (const port of ports) {
      const device = this.lookup(port);
      if (device === undefined) {
        console.warn('unknown port', port.id);
        break; // finds: early-return-in-batch
      }
      device.plug(port);
    }
  }
}
