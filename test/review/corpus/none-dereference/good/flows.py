import re

ADDRESS = re.compile(r'inet (\S+)')


class Agent:
    def __init__(self, cache, bridge):
        self._leases = {}
        self.cache = cache
        self.bridge = bridge

    def lease_of(self, port_id):
        lease = self._leases.get(port_id)
        return lease

    def _meters(self):
        found = self.bridge.list_meters()
        if found:
            return found[0]['id'], found[0]['bands']
        return None, None

    def release(self, port_id):
        lease = self.lease_of(port_id)
        if not lease:
            return
        self._tell(lease)

    def _tell(self, lease):
        self.bridge.send(lease.address)

    def offer(self, port_id):
        self._log(self.lease_of(port_id))

    def _log(self, lease):
        self.bridge.log(lease.address if lease else 'none')

    def remove_band(self, number):
        meter_id, bands = self._meters()
        if bands and number in bands.keys():
            self.bridge.drop(meter_id, number)

    def describe(self, port):
        if port is None:
            return 'unknown'
        return '%s on %s' % (port.name, self.bridge.name)

    def name(self, port):
        if port is None:
            port = self.bridge.default_port()
        return port.name

    def all_names(self, ids):
        return [self.lease_of(one).name for one in ids if self.lease_of(one)]


class Process:
    def __init__(self, path, log):
        self.path = path
        self.log = log

    @property
    def number(self):
        text = read(self.path)
        if text.isdigit():
            return int(text)
        raise ValueError(text)

    def report(self):
        process = Process(self.path, self.log)
        self.log.debug('process %(name)s has number %(number)d', {
            'name': self.path,
            'number': process.number})


def address_of(line):
    found = ADDRESS.search(line)
    try:
        return found.group(1)
    except AttributeError:
        return None


def first(lines):
    for line in lines:
        found = ADDRESS.search(line)
        if not found:
            continue
        return found.group(1)
    return None


def read(path):
    with open(path) as file:
        return file.read()
