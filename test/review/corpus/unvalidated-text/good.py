PROTOCOLS = ('tcp', 'udp')


def rule_for(forwarding):
    if forwarding.protocol not in PROTOCOLS:
        raise ValueError(forwarding.protocol)
    port = int(forwarding.port)
    return '-p %s --dport %s -j DNAT' % (forwarding.protocol, port)


def find(cursor, name):
    cursor.execute('SELECT id FROM routers WHERE name = ?', (name,))


def greeting(user):
    return 'hello %s, select a port from the list' % user.name
