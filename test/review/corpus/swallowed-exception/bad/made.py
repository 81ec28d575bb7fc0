class ZoneError(Exception):
    pass


class Zones:
    def __init__(self):
        self._open = set()

    def close(self, name):
        if name in self._open:
            self._open.discard(name)
        else:
            ZoneError('%s is not open' % name)  # finds: swallowed-exception

    def chain(self, zone):
        if zone == 'host':
            return 'INPUT'
        elif zone == 'any':
            return 'FORWARD'
        return ZoneError('no chain for %s' % zone)  # finds: swallowed-exception
