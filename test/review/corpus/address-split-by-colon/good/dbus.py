def parse(addresses):
    for addr in addresses.split(';'):
        transport, info = addr.split(':', 1)
        yield transport, dict(part.split('=', 1) for part in info.split(','))
