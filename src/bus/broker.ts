/** Which brokers there are, and who we are to them. */
export interface Broker {
  /** `host:port` of each; the next is tried where one is gone. */
  readonly hosts: readonly string[];
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  /** PEM; null: no TLS. */
  readonly tls: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null } | null;
  /** Seconds; a broker that says nothing for twice as long is gone. 0: none. */
  readonly heartbeatSeconds: number;
}
