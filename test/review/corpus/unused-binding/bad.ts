export function save(store: Store, state: State): void {
  const written = store.write(state); // finds: unused-binding
}
