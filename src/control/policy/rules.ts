/**
 * The default rules. Names and checks of routers and conntrack helpers are Neutron's (neutron/conf/policies/base.py, router.py,
 * l3_conntrack_helper.py). Where Neutron 21 has PROJECT_MEMBER, admins are allowed too, as in later versions. The rules further
 * below cover what Neutron does not have.
 */
const VIEWER = 'rule:admin_only or rule:view_all';
const MEMBER = 'rule:admin_only or (role:member and project_id:%(project_id)s)';
const READER = `${VIEWER} or (role:reader and project_id:%(project_id)s)`;
const PARENT_MEMBER = 'rule:admin_only or (role:member and rule:ext_parent_owner)';
const PARENT_READER = `${VIEWER} or (role:reader and rule:ext_parent_owner)`;

export const DEFAULT_RULES = {
  context_is_admin: 'role:admin',
  admin_only: 'rule:context_is_admin',
  /** Reads all projects. A role of that name within a project, which a cloud may have for its own purposes, does not. */
  view_all: 'role:viewer and system_scope:all',
  audit_all: 'role:auditor and system_scope:all',
  owner: 'tenant_id:%(tenant_id)s',
  admin_or_owner: 'rule:context_is_admin or rule:owner',
  ext_parent_owner: 'tenant_id:%(ext_parent:tenant_id)s',
  admin_or_ext_parent_owner: 'rule:context_is_admin or tenant_id:%(ext_parent:tenant_id)s',
  regular_user: '',
  default: 'rule:admin_or_owner',

  create_router: MEMBER,
  'create_router:project_id': 'rule:admin_only',
  'create_router:host': 'rule:admin_only',
  'create_router:netns': 'rule:admin_only',
  get_router: READER,
  update_router: MEMBER,
  'update_router:project_id': 'rule:admin_only',
  'update_router:host': 'rule:admin_only',
  'update_router:netns': 'rule:admin_only',
  delete_router: MEMBER,

  create_router_conntrack_helper: PARENT_MEMBER,
  get_router_conntrack_helper: PARENT_READER,
  update_router_conntrack_helper: PARENT_MEMBER,
  delete_router_conntrack_helper: PARENT_MEMBER,

  /** Rules of Pinhole's own API. */
  reapply_router_conntrack_helper: 'rule:update_router_conntrack_helper',
  get_router_status: READER,
  get_router_expectations: READER,
  get_router_plan: READER,
  // It quotes rules of the host's firewall.
  get_router_diagnosis: 'rule:admin_only',
  get_event: READER,
  get_agent: VIEWER,
  get_metrics: VIEWER,
  delete_agent: 'rule:admin_only',
  confirm_agent: 'rule:admin_only',
  get_audit: 'rule:admin_only or rule:audit_all',
  get_token: 'rule:admin_only',
  create_token: 'rule:admin_only',
  delete_token: 'rule:admin_only',
  get_quota: READER,
  update_quota: 'rule:admin_only',
} as const satisfies Record<string, string>;

/** The name of a rule that Pinhole knows. */
export type RuleName = keyof typeof DEFAULT_RULES;
