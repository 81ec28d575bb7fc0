class ZoneError(Exception):
    pass


class Zones:
    def __init__(self):
        self._open = set()

    def close(self, name):
        if name in self._open:
            self._open.discard(name)
        else:
            raise ZoneError('%s is not open' % name)

    def chain(self, zone):
        if zone == 'host':
            return 'INPUT'
        elif zone == 'any':
            return 'FORWARD'
        raise ZoneError('no chain for %s' % zone)

    def error_of(self, zone):
        if zone in self._open:
            return None
        return ZoneError('%s is not open' % zone)
