/** Addresses of the client, of the router at either side, and of the server. `other` is a second link between router and server. */
export const AT = {
  v4: { client: '10.79.1.2', lan: '10.79.1.1', wan: '10.79.2.1', server: '10.79.2.2', other: '10.79.3.1' },
  v6: { client: 'fd79:1::2', lan: 'fd79:1::1', wan: 'fd79:2::1', server: 'fd79:2::2' },
} as const;
