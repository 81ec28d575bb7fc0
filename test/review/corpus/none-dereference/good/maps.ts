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
    return device?.name ?? 'unknown';
  }

  label(id: string): string {
    const device = this.find(id);
    if (device?.name !== undefined) return device.name;
    throw new Error(id);
  }

  short(id: string): string {
    const device = this.find(id);
    return device?.name.startsWith('x') ? device.name.slice(1) : '';
  }

  known(id: string): string {
    return this.find(id)!.name;
  }

  portOf(line: string): string {
    const found = line.match(/port (\d+)/);
    if (!found) throw new Error(line);
    return found[1] as string;
  }
}
