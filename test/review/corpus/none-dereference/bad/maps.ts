interface Device {
  readonly id: string;
  readonly name: string;
}

export class Devices {
  readonly #byId = new Map<string, Device>();

  find(id: string): Device | undefined {
    return this.#byId.get(id);
  }

  nameOf(id: string): string {
    const device = this.find(id);
    return device.name; // finds: none-dereference
  }

  portOf(line: string): string {
    const found = line.match(/port (\d+)/);
    return found[1] as string; // finds: none-dereference
  }
}
