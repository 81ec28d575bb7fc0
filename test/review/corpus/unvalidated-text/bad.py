def rule_for(forwarding):
    return '-p %s --dport %s -j DNAT' % (forwarding.protocol, forwarding.port)  # finds: unvalidated-text


def find(cursor, name):
    cursor.execute("SELECT id FROM routers WHERE name = '%s'" % name)  # finds: unvalidated-text


def helper_rule(helper):
    return f'add rule inet fw pre tcp dport {helper.port} ct helper set {helper.name}'  # finds: unvalidated-text
