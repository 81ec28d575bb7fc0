export class Routers {
  constructor(private readonly store: Store) {}

  create(principal: Principal, input: Input): void {
    authorise(principal, 'create');
    this.store.create(input);
  }

  update(principal: Principal, id: string, input: Input): void {
    authorise(principal, 'update');
    this.store.update(id, input);
  }

  delete(principal: Principal, id: string): void { // finds: missing-authorisation
    this.store.delete(id);
  }
}
