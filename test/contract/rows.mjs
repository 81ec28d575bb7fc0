/**
 * Requests to a Neutron API, each with the row of the contract that it shows. `{a}` stands for what an earlier row saved
 * as `a`. The same rows are played against neutron-server, which recorded `answers.json`, and against Pinhole.
 */
const ABSENT = '00000000-0000-4000-8000-000000000000';
const H = '/v2.0/routers/{router}/conntrack_helpers';
const helper = (protocol, port, name, rest = {}) => ({ conntrack_helper: { protocol, port, helper: name, ...rest } });
const ftp = (port, rest) => helper('tcp', port, 'ftp', rest);

/**
 * `save`: what later rows use. `unordered`, `unorderedWords`: order means nothing there. `subset`: Pinhole's answer has more fields.
 * `differs`: why Pinhole answers otherwise, with the status `ours`.
 * @type {readonly { name: string, method: string, path: string, body?: unknown, raw?: string, headers?: Record<string, string>,
 *   save?: Record<string, string>, unordered?: string, unorderedWords?: boolean, subset?: boolean, differs?: string, ours?: number }[]}
 */
export const ROWS = [
  {
    name: 'a router is created',
    method: 'POST',
    path: '/v2.0/routers',
    body: { router: { name: 'contract', tenant_id: 'p' } },
    save: { router: 'router.id' },
    subset: true,
  },
  {
    name: 'a second router',
    method: 'POST',
    path: '/v2.0/routers',
    body: { router: { name: 'contract-2', tenant_id: 'p' } },
    save: { other: 'router.id' },
    subset: true,
  },
  { name: 'router detail carries no helpers yet', method: 'GET', path: '/v2.0/routers/{router}?fields=conntrack_helpers' },
  { name: 'POST 201 with exactly four keys', method: 'POST', path: H, body: ftp(21), save: { ftp: 'conntrack_helper.id' } },
  { name: 'POST a second one', method: 'POST', path: H, body: helper('udp', 69, 'tftp'), save: { tftp: 'conntrack_helper.id' } },
  {
    name: 'router detail carries them without id',
    method: 'GET',
    path: '/v2.0/routers/{router}?fields=conntrack_helpers',
    unordered: 'router.conntrack_helpers',
  },
  {
    name: 'router list carries them',
    method: 'GET',
    path: '/v2.0/routers?id={router}&fields=conntrack_helpers',
    unordered: 'routers.0.conntrack_helpers',
  },
  { name: 'GET 200', method: 'GET', path: `${H}/{ftp}` },
  { name: 'GET with fields', method: 'GET', path: `${H}/{ftp}?fields=port&fields=helper` },
  { name: '.json suffix on a list', method: 'GET', path: `${H}.json?sort_key=port&sort_dir=asc` },
  { name: '.json suffix on one', method: 'GET', path: `${H}/{ftp}.json` },
  { name: 'PUT 200 partial', method: 'PUT', path: `${H}/{ftp}`, body: { conntrack_helper: { port: 2121 } } },
  { name: 'PUT 200 empty object', method: 'PUT', path: `${H}/{ftp}`, body: { conntrack_helper: {} } },
  { name: 'PUT 200 that changes nothing', method: 'PUT', path: `${H}/{ftp}`, body: { conntrack_helper: { port: 2121 } } },
  { name: 'port as digits', method: 'PUT', path: `${H}/{ftp}`, body: { conntrack_helper: { port: '21' } } },
  {
    name: 'POST bulk 201',
    method: 'POST',
    path: H,
    body: { conntrack_helpers: [ftp(26).conntrack_helper, helper('udp', 27, 'tftp').conntrack_helper] },
    save: { b26: 'conntrack_helpers.0.id', b27: 'conntrack_helpers.1.id' },
  },
  {
    name: 'POST bulk of wrapped items',
    method: 'POST',
    path: H,
    body: { conntrack_helpers: [ftp(28)] },
    save: { b28: 'conntrack_helpers.0.id' },
  },
  {
    name: 'POST bulk with a duplicate in it: none',
    method: 'POST',
    path: H,
    body: { conntrack_helpers: [ftp(29).conntrack_helper, ftp(29).conntrack_helper] },
  },
  { name: 'nothing of it is there', method: 'GET', path: `${H}?port=29` },
  {
    name: 'POST bulk with a bad one in it',
    method: 'POST',
    path: H,
    body: { conntrack_helpers: [ftp(29).conntrack_helper, ftp(0).conntrack_helper] },
  },
  { name: 'POST bulk of none', method: 'POST', path: H, body: { conntrack_helpers: [] } },
  { name: 'POST bulk of something else', method: 'POST', path: H, body: { conntrack_helpers: 'x' } },
  { name: 'POST bulk of strings', method: 'POST', path: H, body: { conntrack_helpers: ['x'] } },

  { name: 'duplicate on POST is 400 with the values', method: 'POST', path: H, body: ftp(21) },
  { name: 'duplicate on PUT is 400 with the values', method: 'PUT', path: `${H}/{b26}`, body: { conntrack_helper: { port: 21 } } },
  {
    name: 'another helper on the same port is none',
    method: 'POST',
    path: H,
    body: helper('tcp', 21, 'irc'),
    save: { irc: 'conntrack_helper.id' },
  },
  { name: 'not allowed', method: 'POST', path: H, body: helper('tcp', 1, 'nosuch') },
  { name: 'protocol that the helper has not', method: 'POST', path: H, body: helper('udp', 21, 'ftp') },
  { name: 'one of two protocols', method: 'POST', path: H, body: helper('sctp', 5060, 'sip') },
  { name: 'PUT to a protocol that the helper has not', method: 'PUT', path: `${H}/{ftp}`, body: { conntrack_helper: { protocol: 'udp' } } },
  { name: 'PUT to a helper that is not allowed', method: 'PUT', path: `${H}/{ftp}`, body: { conntrack_helper: { helper: 'nosuch' } } },
  { name: 'protocol case-sensitive', method: 'POST', path: H, body: helper('TCP', 22, 'ftp') },
  { name: 'protocol as number', method: 'POST', path: H, body: helper(6, 22, 'ftp') },
  { name: 'protocol as digits', method: 'POST', path: H, body: helper('6', 22, 'ftp') },
  { name: 'protocol unknown', method: 'POST', path: H, body: helper('gre', 22, 'ftp') },
  { name: 'protocol null', method: 'POST', path: H, body: helper(null, 22, 'ftp') },
  { name: 'port 0', method: 'POST', path: H, body: ftp(0) },
  { name: 'port -1', method: 'POST', path: H, body: ftp(-1) },
  { name: 'port 65536', method: 'POST', path: H, body: ftp(65536) },
  { name: 'port 70000 as digits', method: 'POST', path: H, body: ftp('70000') },
  { name: 'port no number', method: 'POST', path: H, body: ftp('x') },
  { name: 'port empty', method: 'POST', path: H, body: ftp('') },
  { name: 'port null', method: 'POST', path: H, body: ftp(null) },
  { name: 'port a fraction', method: 'POST', path: H, body: ftp(22.5), save: { fraction: 'conntrack_helper.id' } },
  { name: 'port true', method: 'POST', path: H, body: ftp(true), save: { yes: 'conntrack_helper.id' } },
  { name: 'port a list', method: 'POST', path: H, body: ftp([21]) },
  { name: 'port an object', method: 'POST', path: H, body: ftp({}) },
  { name: 'helper a number', method: 'POST', path: H, body: helper('tcp', 22, 5) },
  { name: 'helper null', method: 'POST', path: H, body: helper('tcp', 22, null) },
  { name: 'helper too long', method: 'POST', path: H, body: helper('tcp', 22, 'x'.repeat(65)) },
  { name: 'helper of 64', method: 'POST', path: H, body: helper('tcp', 22, 'x'.repeat(64)) },
  { name: 'helper empty', method: 'POST', path: H, body: helper('tcp', 22, '') },
  { name: 'helper missing', method: 'POST', path: H, body: { conntrack_helper: { protocol: 'tcp', port: 24 } } },
  { name: 'protocol missing', method: 'POST', path: H, body: { conntrack_helper: { port: 24, helper: 'ftp' } } },
  { name: 'port missing', method: 'POST', path: H, body: { conntrack_helper: { protocol: 'tcp', helper: 'ftp' } } },
  { name: 'all missing', method: 'POST', path: H, body: { conntrack_helper: {} } },
  { name: 'unknown attribute', method: 'POST', path: H, body: ftp(25, { extra: 1 }) },
  { name: 'two unknown attributes', method: 'POST', path: H, body: ftp(25, { extra: 1, more: 2 }), unorderedWords: true },
  { name: 'id in POST', method: 'POST', path: H, body: ftp(25, { id: 'x' }) },
  { name: 'router_id in POST', method: 'POST', path: H, body: ftp(25, { router_id: '{router}' }) },
  { name: 'id in PUT', method: 'PUT', path: `${H}/{ftp}`, body: { conntrack_helper: { id: 'x' } } },
  { name: 'project in PUT', method: 'PUT', path: `${H}/{ftp}`, body: { conntrack_helper: { project_id: 'p' } } },
  { name: 'tenant in PUT', method: 'PUT', path: `${H}/{ftp}`, body: { conntrack_helper: { tenant_id: 'p' } } },
  { name: 'unknown attribute in PUT', method: 'PUT', path: `${H}/{ftp}`, body: { conntrack_helper: { extra: 1 } } },
  { name: 'bad port in PUT', method: 'PUT', path: `${H}/{ftp}`, body: { conntrack_helper: { port: 0 } } },
  { name: 'project_id in POST', method: 'POST', path: H, body: ftp(45, { project_id: 'p' }), save: { p45: 'conntrack_helper.id' } },
  { name: 'tenant_id in POST', method: 'POST', path: H, body: ftp(46, { tenant_id: 'p' }), save: { p46: 'conntrack_helper.id' } },
  { name: 'tenant_id and project_id that differ', method: 'POST', path: H, body: ftp(47, { tenant_id: 'p', project_id: 'q' }) },

  { name: 'no JSON', method: 'POST', path: H, raw: '{' },
  { name: 'JSON of a string', method: 'POST', path: H, raw: '"x"' },
  { name: 'JSON of a list', method: 'POST', path: H, raw: '[]' },
  { name: 'JSON of a list with something', method: 'POST', path: H, raw: '[1]' },
  { name: 'JSON null', method: 'POST', path: H, raw: 'null' },
  { name: 'JSON number', method: 'POST', path: H, raw: '5' },
  { name: 'empty object', method: 'POST', path: H, body: {} },
  { name: 'no body', method: 'POST', path: H },
  { name: 'another name', method: 'POST', path: H, body: { other: {} } },
  { name: 'resource null', method: 'POST', path: H, body: { conntrack_helper: null } },
  { name: 'resource a string', method: 'POST', path: H, body: { conntrack_helper: 'x' } },
  { name: 'resource a list', method: 'POST', path: H, body: { conntrack_helper: [] } },
  { name: 'PUT without a body', method: 'PUT', path: `${H}/{ftp}` },
  { name: 'PUT of an empty object', method: 'PUT', path: `${H}/{ftp}`, body: {} },
  { name: 'PUT of a list', method: 'PUT', path: `${H}/{ftp}`, raw: '[]', ours: 400, differs: 'Neutron answers 500; a list is no body' },
  { name: 'PUT without JSON', method: 'PUT', path: `${H}/{ftp}`, raw: '{' },
  {
    name: 'PUT of a bulk',
    method: 'PUT',
    path: `${H}/{ftp}`,
    body: { conntrack_helpers: [{ port: 1 }] },
    ours: 400,
    differs: 'Neutron answers 500; there is no bulk update',
  },
  { name: 'DELETE with a body', method: 'DELETE', path: `${H}/{ftp}`, body: { x: 1 } },

  { name: 'absent helper GET', method: 'GET', path: `${H}/${ABSENT}` },
  { name: 'absent helper PUT', method: 'PUT', path: `${H}/${ABSENT}`, body: { conntrack_helper: { port: 1 } } },
  { name: 'absent helper DELETE', method: 'DELETE', path: `${H}/${ABSENT}` },
  { name: 'absent helper, bad body: the body first', method: 'PUT', path: `${H}/${ABSENT}`, body: { conntrack_helper: { port: 0 } } },
  { name: 'an id that is none', method: 'GET', path: `${H}/not-a-uuid` },
  { name: 'an id with dots', method: 'GET', path: `${H}/a.b` },
  { name: 'helper of another router GET', method: 'GET', path: '/v2.0/routers/{other}/conntrack_helpers/{ftp}' },
  {
    name: 'helper of another router PUT',
    method: 'PUT',
    path: '/v2.0/routers/{other}/conntrack_helpers/{ftp}',
    body: { conntrack_helper: { port: 1 } },
  },
  { name: 'helper of another router DELETE', method: 'DELETE', path: '/v2.0/routers/{other}/conntrack_helpers/{ftp}' },
  { name: 'LIST on an unknown router: 200 and empty', method: 'GET', path: `/v2.0/routers/${ABSENT}/conntrack_helpers` },
  { name: 'LIST of a router that has none', method: 'GET', path: '/v2.0/routers/{other}/conntrack_helpers' },
  { name: 'POST on an unknown router', method: 'POST', path: `/v2.0/routers/${ABSENT}/conntrack_helpers`, body: ftp(21) },
  {
    name: 'POST on an unknown router, not allowed: allowed list first',
    method: 'POST',
    path: `/v2.0/routers/${ABSENT}/conntrack_helpers`,
    body: helper('tcp', 1, 'nosuch'),
  },
  {
    name: 'POST on an unknown router, bad body: body first',
    method: 'POST',
    path: `/v2.0/routers/${ABSENT}/conntrack_helpers`,
    body: ftp(0),
  },
  { name: 'GET one on an unknown router', method: 'GET', path: `/v2.0/routers/${ABSENT}/conntrack_helpers/{ftp}` },

  {
    name: 'sorted by port',
    method: 'GET',
    path: `${H}?sort_key=port&sort_dir=asc&sort_key=helper&sort_dir=asc&fields=port&fields=protocol&fields=helper`,
  },
  { name: 'sorted by port, descending', method: 'GET', path: `${H}?sort_key=port&sort_dir=desc&fields=port` },
  {
    name: 'sorted by helper and port',
    method: 'GET',
    path: `${H}?sort_key=helper&sort_dir=desc&sort_key=port&sort_dir=asc&fields=port&fields=helper`,
  },
  {
    name: 'sorted by protocol and port',
    method: 'GET',
    path: `${H}?sort_key=protocol&sort_dir=asc&sort_key=port&sort_dir=desc&fields=port`,
  },
  { name: 'sort keys and dirs differ in number', method: 'GET', path: `${H}?sort_key=port` },
  { name: 'sort dir alone', method: 'GET', path: `${H}?sort_dir=asc` },
  { name: 'sort key unknown', method: 'GET', path: `${H}?sort_key=foo&sort_dir=asc` },
  { name: 'sort key router_id', method: 'GET', path: `${H}?sort_key=router_id&sort_dir=asc` },
  { name: 'sort dir unknown', method: 'GET', path: `${H}?sort_key=port&sort_dir=up` },
  { name: 'filter by helper', method: 'GET', path: `${H}?helper=tftp&sort_key=port&sort_dir=asc&fields=port` },
  { name: 'filters of one name: or', method: 'GET', path: `${H}?helper=tftp&helper=irc&sort_key=port&sort_dir=asc&fields=port` },
  { name: 'filters of two names: and', method: 'GET', path: `${H}?helper=ftp&port=26&fields=port` },
  { name: 'filter by port', method: 'GET', path: `${H}?port=69&fields=port` },
  { name: 'filter by port that is no number', method: 'GET', path: `${H}?port=x` },
  { name: 'filter by port out of range', method: 'GET', path: `${H}?port=70000` },
  { name: 'filter by protocol', method: 'GET', path: `${H}?protocol=udp&sort_key=port&sort_dir=asc&fields=port` },
  {
    name: 'filter by protocol in capitals',
    method: 'GET',
    path: `${H}?protocol=UDP&fields=port`,
    ours: 200,
    differs: "MySQL's collation takes UDP for udp; on PostgreSQL Neutron does not",
  },
  { name: 'filter by id', method: 'GET', path: `${H}?id={ftp}&fields=port` },
  { name: 'filter with an empty value', method: 'GET', path: `${H}?helper=&sort_key=port&sort_dir=asc&fields=port` },
  { name: 'filter unknown', method: 'GET', path: `${H}?foo=1` },
  { name: 'two filters unknown', method: 'GET', path: `${H}?foo=1&bar=2` },
  { name: 'filter router_id', method: 'GET', path: `${H}?router_id={router}` },
  { name: 'filter project_id', method: 'GET', path: `${H}?project_id=p` },
  { name: 'filter tenant_id', method: 'GET', path: `${H}?tenant_id=p` },
  { name: 'fields unknown', method: 'GET', path: `${H}?fields=foo&port=69` },
  { name: 'fields empty', method: 'GET', path: `${H}?fields=&port=69` },
  { name: 'limit 2 in order', method: 'GET', path: `${H}?limit=2&sort_key=port&sort_dir=asc&sort_key=helper&sort_dir=asc` },
  { name: 'the page after', method: 'GET', path: `${H}?limit=2&sort_key=port&sort_dir=asc&sort_key=helper&sort_dir=asc&marker={ftp}` },
  {
    name: 'the page before',
    method: 'GET',
    path: `${H}?limit=1&sort_key=port&sort_dir=asc&sort_key=helper&sort_dir=asc&marker={ftp}&page_reverse=True`,
  },
  { name: 'a page longer than the list', method: 'GET', path: `${H}?limit=100&sort_key=port&sort_dir=asc&fields=port` },
  {
    name: 'a page longer than the list, backwards',
    method: 'GET',
    path: `${H}?limit=100&sort_key=port&sort_dir=asc&fields=port&page_reverse=true`,
  },
  { name: 'limit 0', method: 'GET', path: `${H}?limit=0&sort_key=port&sort_dir=asc&fields=port` },
  { name: 'limit negative', method: 'GET', path: `${H}?limit=-1` },
  { name: 'limit no number', method: 'GET', path: `${H}?limit=x` },
  { name: 'limit empty', method: 'GET', path: `${H}?limit=` },
  { name: 'marker unknown', method: 'GET', path: `${H}?limit=2&marker=${ABSENT}&sort_key=port&sort_dir=asc&sort_key=helper&sort_dir=asc` },
  { name: 'marker without limit', method: 'GET', path: `${H}?marker={ftp}&sort_key=port&sort_dir=asc&fields=port` },
  { name: 'limit with fields', method: 'GET', path: `${H}?limit=1&sort_key=port&sort_dir=asc&fields=port` },
  { name: 'page of an empty list', method: 'GET', path: '/v2.0/routers/{other}/conntrack_helpers?limit=1' },

  {
    name: 'If-Match on a helper PUT',
    method: 'PUT',
    path: `${H}/{ftp}`,
    body: { conntrack_helper: { port: 2121 } },
    headers: { 'if-match': 'revision_number=1' },
    ours: 400,
    differs: 'Neutron 21 answers 500, later ones 400',
  },
  {
    name: 'If-Match on a helper DELETE',
    method: 'DELETE',
    path: `${H}/{ftp}`,
    headers: { 'if-match': 'revision_number=1' },
    ours: 400,
    differs: 'Neutron 21 answers 500, later ones 400',
  },
  { name: 'If-Match on a helper GET', method: 'GET', path: `${H}/{ftp}`, headers: { 'if-match': 'revision_number=1' } },
  {
    name: 'If-Match on a router, stale',
    method: 'PUT',
    path: '/v2.0/routers/{other}',
    body: { router: { name: 'x' } },
    headers: { 'if-match': 'revision_number=999' },
  },
  {
    name: 'If-Match no number',
    method: 'PUT',
    path: '/v2.0/routers/{other}',
    body: { router: { name: 'x' } },
    headers: { 'if-match': 'revision_number=x' },
  },
  {
    name: 'If-Match twice',
    method: 'PUT',
    path: '/v2.0/routers/{other}',
    body: { router: { name: 'x' } },
    headers: { 'if-match': 'revision_number=1, revision_number=2' },
  },
  {
    name: 'If-Match of something else',
    method: 'PUT',
    path: '/v2.0/routers/{other}',
    body: { router: { name: 'contract-2' } },
    headers: { 'if-match': '"etag"' },
    subset: true,
  },
  {
    name: 'If-Match on a router DELETE, stale',
    method: 'DELETE',
    path: '/v2.0/routers/{other}',
    headers: { 'if-match': 'revision_number=999' },
  },

  { name: 'DELETE 204', method: 'DELETE', path: `${H}/{irc}` },
  { name: 'DELETE again 404', method: 'DELETE', path: `${H}/{irc}` },

  { name: 'versions', method: 'GET', path: '/' },
  { name: 'API root', method: 'GET', path: '/v2.0/' },
  { name: 'extension l3-conntrack-helper', method: 'GET', path: '/v2.0/extensions/l3-conntrack-helper' },
  { name: 'extension expose-l3-conntrack-helper', method: 'GET', path: '/v2.0/extensions/expose-l3-conntrack-helper' },
  { name: 'extension router', method: 'GET', path: '/v2.0/extensions/router' },
  { name: 'extension pagination', method: 'GET', path: '/v2.0/extensions/pagination' },
  { name: 'extension sorting', method: 'GET', path: '/v2.0/extensions/sorting' },
  { name: 'extension filter-validation', method: 'GET', path: '/v2.0/extensions/filter-validation' },
  { name: 'extension project-id', method: 'GET', path: '/v2.0/extensions/project-id' },
  { name: 'extension standard-attr-revisions', method: 'GET', path: '/v2.0/extensions/standard-attr-revisions' },
  { name: 'extension revision-if-match', method: 'GET', path: '/v2.0/extensions/revision-if-match' },
  { name: 'extension unknown', method: 'GET', path: '/v2.0/extensions/nosuch' },
  { name: 'extensions POST', method: 'POST', path: '/v2.0/extensions', body: {} },
  { name: 'extension DELETE', method: 'DELETE', path: '/v2.0/extensions/router' },
  { name: 'an unknown collection', method: 'GET', path: '/v2.0/nosuch' },
  { name: 'networks filtered to none', method: 'GET', path: '/v2.0/networks?name=nosuch' },
  { name: 'subnets filtered to none', method: 'GET', path: '/v2.0/subnets?name=nosuch' },
  { name: 'ports of a router without any', method: 'GET', path: '/v2.0/ports?device_id={router}' },

  { name: 'router name too long', method: 'POST', path: '/v2.0/routers', body: { router: { name: 'x'.repeat(256), tenant_id: 'p' } } },
  { name: 'router name no string', method: 'POST', path: '/v2.0/routers', body: { router: { name: 5, tenant_id: 'p' } } },
  { name: 'router unknown attribute', method: 'POST', path: '/v2.0/routers', body: { router: { name: 'x', tenant_id: 'p', extra: 1 } } },
  {
    name: 'router conntrack_helpers is read-only in POST',
    method: 'POST',
    path: '/v2.0/routers',
    body: { router: { name: 'x', tenant_id: 'p', conntrack_helpers: [] } },
  },
  {
    name: 'router conntrack_helpers is read-only in PUT',
    method: 'PUT',
    path: '/v2.0/routers/{other}',
    body: { router: { conntrack_helpers: [] } },
  },
  { name: 'router revision_number is read-only', method: 'PUT', path: '/v2.0/routers/{other}', body: { router: { revision_number: 5 } } },
  { name: 'router id in POST', method: 'POST', path: '/v2.0/routers', body: { router: { id: 'x', tenant_id: 'p' } } },
  { name: 'router project in PUT', method: 'PUT', path: '/v2.0/routers/{other}', body: { router: { project_id: 'q' } } },
  {
    name: 'router admin_state_up no boolean',
    method: 'POST',
    path: '/v2.0/routers',
    body: { router: { admin_state_up: 'perhaps', tenant_id: 'p' } },
  },
  { name: 'router POST empty', method: 'POST', path: '/v2.0/routers', body: {} },
  { name: 'router POST another name', method: 'POST', path: '/v2.0/routers', body: { x: {} } },
  { name: 'router POST no JSON', method: 'POST', path: '/v2.0/routers', raw: '{' },
  { name: 'router PUT empty object', method: 'PUT', path: '/v2.0/routers/{other}', body: { router: {} }, subset: true },
  { name: 'router absent GET', method: 'GET', path: `/v2.0/routers/${ABSENT}` },
  { name: 'router absent PUT', method: 'PUT', path: `/v2.0/routers/${ABSENT}`, body: { router: { name: 'x' } } },
  { name: 'router absent DELETE', method: 'DELETE', path: `/v2.0/routers/${ABSENT}` },
  { name: 'routers by name', method: 'GET', path: '/v2.0/routers?name=contract-2&fields=name' },
  {
    name: 'routers by two names',
    method: 'GET',
    path: '/v2.0/routers?name=contract-2&name=contract&fields=name&sort_key=name&sort_dir=asc',
  },
  { name: 'routers by unknown filter', method: 'GET', path: '/v2.0/routers?foo=1' },
  { name: 'routers by unknown sort key', method: 'GET', path: '/v2.0/routers?sort_key=foo&sort_dir=asc' },
  {
    name: 'routers limit 1 by name',
    method: 'GET',
    path: '/v2.0/routers?limit=1&sort_key=name&sort_dir=asc&fields=name&name=contract&name=contract-2',
  },
  { name: 'router DELETE takes its helpers along', method: 'DELETE', path: '/v2.0/routers/{router}' },
  { name: 'router is gone', method: 'GET', path: '/v2.0/routers/{router}' },
  { name: 'its helpers are gone', method: 'GET', path: `${H}/{ftp}` },
  { name: 'LIST of a router that is gone', method: 'GET', path: H },
  { name: 'router 2 DELETE', method: 'DELETE', path: '/v2.0/routers/{other}' },
];

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/**
 * Plays all rows in order. Ids that were saved stand in the answers under their names, the server's address as `{url}`.
 * @returns one answer a row: status, content type, body
 */
export async function play(url, headers = {}) {
  const saved = new Map();
  const answers = [];
  for (const row of ROWS) {
    const fill = (text) => text.replace(/\{(\w+)\}/g, (all, name) => saved.get(name) ?? all);
    const payload = row.raw ?? (row.body === undefined ? undefined : fill(JSON.stringify(row.body)));
    const response = await fetch(`${url}${fill(row.path)}`, {
      method: row.method,
      headers: { accept: 'application/json', 'content-type': 'application/json', ...headers, ...row.headers },
      ...(payload === undefined ? {} : { body: payload }),
    });
    const text = await response.text();
    for (const [name, path] of Object.entries(row.save ?? {})) {
      saved.set(
        name,
        path.split('.').reduce((value, key) => value?.[key], JSON.parse(text)),
      );
    }
    answers.push({ name: row.name, status: response.status, type: response.headers.get('content-type'), body: symbolic(text, url, saved) });
  }
  return answers;
}

function symbolic(text, url, saved) {
  const names = new Map([...saved].map(([name, id]) => [id, `{${name}}`]));
  const plain = text.replaceAll(url, '{url}').replace(UUID, (id) => names.get(id) ?? id);
  try {
    return JSON.parse(plain);
  } catch {
    return plain;
  }
}
