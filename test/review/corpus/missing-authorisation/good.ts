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

  delete(principal: Principal, id: string): void {
    const router = this.#forChange(id, principal);
    this.store.delete(router);
  }

  #forChange(id: string, principal: Principal): string {
    authorise(principal, 'change');
    return id;
  }
}
