export async function doctor(_router: string | undefined, _flags: object): Promise<void> {}
