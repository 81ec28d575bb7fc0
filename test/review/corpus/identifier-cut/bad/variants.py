PREFIX = 'tap-'
MAX = 15


def device_name(port_id):
    return ('tap' + port_id)[:14]  # finds: identifier-cut


def chain_name(helper):
    return f'{PREFIX}{helper.id}'[:11]  # finds: identifier-cut


def chain_for(uuid):
    chain = 'cth-%s' % uuid[:7]  # finds: identifier-cut
    return chain


def iface(port):
    name = PREFIX + port['id']
    return name[0:MAX]  # finds: identifier-cut
