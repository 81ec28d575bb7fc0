from urllib.parse import urlsplit


def connect(address):
    parts = urlsplit('//' + address)
    return parts.hostname, parts.port


def pair(option):
    key, value = option.split(':')
    return key, value
