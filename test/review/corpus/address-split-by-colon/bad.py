def connect(address):
    host, port = address.split(':')  # finds: address-split-by-colon
    return host, int(port)
