import { Type } from 'typebox';

/** JSON Schemas of Pinhole's own dialect: they validate requests and make /openapi.json. */
const Port = Type.Integer({ minimum: 1, maximum: 65535 });
const Nullable = <T extends Type.TSchema>(inner: T) => Type.Union([inner, Type.Null()]);
const Time = Type.String({ maxLength: 40, description: 'ISO 8601, like 2030-01-31T12:00:00Z' });

const Confine = Type.Union([
  Type.Boolean(),
  Type.Object(
    {
      blocked_ports: Type.Optional(Type.Array(Port, { maxItems: 256 })),
      rate_per_second: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    },
    { additionalProperties: false },
  ),
]);

const routerFields = {
  name: Type.Optional(Type.String({ maxLength: 255 })),
  description: Type.Optional(Type.String({ maxLength: 255 })),
  project_id: Type.Optional(Type.String({ maxLength: 255 })),
  host: Type.Optional(Nullable(Type.String({ maxLength: 255 }))),
  netns: Type.Optional(Nullable(Type.String({ maxLength: 255, description: "network namespace on the host; '/' is the host's own" }))),
  confine: Type.Optional(Confine),
};

export const RouterCreate = Type.Object(routerFields, { additionalProperties: false });
export const RouterUpdate = Type.Object(routerFields, { additionalProperties: false });
export const RouterQuery = Type.Object(
  { find: Type.Optional(Type.String({ maxLength: 255, description: 'only those of this name or id' })) },
  { additionalProperties: false },
);
export const RouterParams = Type.Object({ id: Type.String() });

const Scope = Type.Object(
  {
    source: Type.Optional(Nullable(Type.String({ maxLength: 64 }))),
    destination: Type.Optional(Nullable(Type.String({ maxLength: 64 }))),
    in_interface: Type.Optional(Nullable(Type.String({ maxLength: 15 }))),
  },
  { additionalProperties: false },
);

export const HelperCreate = Type.Object(
  {
    helper: Type.String({ maxLength: 64 }),
    protocol: Type.String({ maxLength: 16 }),
    port: Port,
    scope: Type.Optional(Nullable(Scope)),
    expires_at: Type.Optional(Nullable(Time)),
  },
  { additionalProperties: false },
);
export const HelperUpdate = Type.Object(
  {
    helper: Type.Optional(Type.String({ maxLength: 64 })),
    protocol: Type.Optional(Type.String({ maxLength: 16 })),
    port: Type.Optional(Port),
    scope: Type.Optional(Nullable(Scope)),
    expires_at: Type.Optional(Nullable(Time)),
  },
  { additionalProperties: false },
);
export const HelperParams = Type.Object({ id: Type.String(), helper: Type.String() });

export const TokenCreate = Type.Object(
  {
    role: Type.Enum(['admin', 'member', 'reader']),
    project_id: Type.Optional(Nullable(Type.String({ maxLength: 255 }))),
    description: Type.Optional(Type.String({ maxLength: 255 })),
    expires_at: Type.Optional(Nullable(Time)),
  },
  { additionalProperties: false },
);
export const TokenParams = Type.Object({ id: Type.String() });

const Limit = Nullable(Type.Integer({ minimum: -1, maximum: 1_000_000_000, description: '-1: none; null: the configured one' }));
export const ProjectParams = Type.Object({ id: Type.String({ maxLength: 255 }) });
export const QuotaUpdate = Type.Object({ routers: Type.Optional(Limit), helpers: Type.Optional(Limit) }, { additionalProperties: false });

const Digits = Type.String({ maxLength: 15 });
const Word = Type.String({ maxLength: 255 });
export const AuditQuery = Type.Object(
  {
    chain: Type.Optional(Word),
    after: Type.Optional(Digits),
    before: Type.Optional(Digits),
    limit: Type.Optional(Digits),
    action: Type.Optional(Word),
    target: Type.Optional(Word),
    project_id: Type.Optional(Word),
  },
  { additionalProperties: false },
);
export const EventQuery = Type.Object({ after: Type.Optional(Digits) }, { additionalProperties: false });
