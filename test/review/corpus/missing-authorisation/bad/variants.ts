export class Helpers {
  async create(principal: Principal, body: Body): Promise<void> {
    this.policy.authorise(principal, 'create');
    await this.store.create(body);
  }
  async update(principal: Principal, id: string, body: Body): Promise<void> {
    this.policy.authorise(principal, 'update');
    await this.store.update(id, body);
  }
  async remove(principal: Principal, id: string): Promise<void> { // finds: missing-authorisation
    await this.store.remove(id);
  }
}
