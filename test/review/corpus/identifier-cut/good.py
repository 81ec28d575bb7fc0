import hashlib
import logging

LOG = logging.getLogger(__name__)


def device_name(port_id):
    return 'tap-' + hashlib.sha256(port_id.encode()).hexdigest()[:28]


def describe(port_id):
    LOG.info('port %s', port_id[:8])


def prefix_of(name):
    return name[:name.index('-')]


def chain_name(port_id):
    return ('p-' + port_id)[:38]
