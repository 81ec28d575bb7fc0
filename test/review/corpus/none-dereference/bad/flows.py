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
        self._tell(self.lease_of(port_id))  # finds: none-dereference

    def _tell(self, lease):
        self.bridge.send(lease.address)

    def remove_band(self, number):
        meter_id, bands = self._meters()
        if number in bands.keys():  # finds: none-dereference
            self.bridge.drop(meter_id, number)

    def describe(self, port):
        if port is None:
            self.bridge.unknown = True
        return '%s on %s' % (port.name, self.bridge.name)  # finds: none-dereference


class Process:
    def __init__(self, path, log):
        self.path = path
        self.log = log

    @property
    def number(self):
        text = read(self.path)
        if text.isdigit():
            return int(text)

    def report(self):
        process = Process(self.path, self.log)
        self.log.debug('process %(name)s has number %(number)d', {
            'name': self.path,
            'number': process.number})  # finds: none-dereference


def address_of(line):
    return ADDRESS.search(line).group(1)  # finds: none-dereference


def read(path):
    with open(path) as file:
        return file.read()
