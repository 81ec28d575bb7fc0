"""What openstacksdk does with a Neutron endpoint: the calls of its conntrack-helper resource, with paging. Prints one JSON."""
import json
import sys

import openstack
from openstack import exceptions

conn = openstack.connect(**json.loads(sys.argv[1]))
net = conn.network
out = {}

assert net.find_extension('l3-conntrack-helper', ignore_missing=False).alias == 'l3-conntrack-helper'
out['extensions'] = sorted(extension.alias for extension in net.extensions())
router = net.create_router(name='sdk')
made = [net.create_conntrack_helper(router, protocol='tcp', port=port, helper='ftp') for port in range(2001, 2008)]
out['created'] = sorted(made[0].to_dict(computed=False))
for size in (1, 2, 3, 7, 50):
    listed = list(net.conntrack_helpers(router, limit=size))
    assert sorted(h.id for h in listed) == sorted(h.id for h in made), (size, listed)
out['paged'] = len(list(net.conntrack_helpers(router, limit=2)))
one = net.get_conntrack_helper(made[0], router)
assert (one.protocol, one.port, one.helper) == ('tcp', 2001, 'ftp')
changed = net.update_conntrack_helper(made[0], router, port=2121)
assert changed.port == 2121 and net.get_conntrack_helper(made[0], router).port == 2121
try:
    net.create_conntrack_helper(router, protocol='tcp', port=2121, helper='ftp')
except exceptions.BadRequestException as error:
    out['duplicate'] = str(error)
try:
    net.create_conntrack_helper(router, protocol='tcp', port=1, helper='nosuch')
except exceptions.BadRequestException as error:
    out['not allowed'] = str(error)
net.delete_conntrack_helper(made[1], router, ignore_missing=False)
try:
    net.get_conntrack_helper(made[1], router)
except exceptions.ResourceNotFound as error:
    out['gone'] = str(error)
net.delete_conntrack_helper(made[1], router, ignore_missing=True)
out['routers'] = [r.name for r in net.routers(name='sdk', limit=1)]
out['find'] = net.find_router('sdk').id == router.id and net.find_router(router.id).id == router.id
try:
    net.update_router(router, name='late', if_revision=1)
except exceptions.PreconditionFailedException as error:
    out['stale'] = str(error)
net.delete_router(router)
out['cascade'] = list(net.conntrack_helpers(router))
json.dump(out, sys.stdout)
