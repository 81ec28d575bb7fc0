PREFIX = 'tap-'
MAX_LEN = 14


def device_name(port_id):
    return (PREFIX + port_id)[:MAX_LEN]  # finds: identifier-cut


def bridge(network_id):
    bridge_name = ('brq%s' % network_id)[:11]  # finds: identifier-cut
    return bridge_name
