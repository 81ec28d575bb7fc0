export function save(store: Store, state: State): boolean {
  const written = store.write(state);
  const { length } = state;
  return written && length > 0;
}
