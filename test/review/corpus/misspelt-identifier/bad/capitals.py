CONNTRACK_ZONES = 65535
CONNTRACK_START = 4097
CONNTRACK_STEP = 1

CONTRACK_MANAGERS = {}  # finds: misspelt-identifier


def conntrack_zone(conntrack_manager):
    return conntrack_manager.conntrack_zones.get(CONNTRACK_START, CONNTRACK_ZONES)
