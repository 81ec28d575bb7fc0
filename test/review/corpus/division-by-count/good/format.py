import struct


def parse(cls, buf):
    return struct.unpack_from(cls.FORMAT % len(buf), buf)


def pack(commands, name, key):
    return commands[name]['format'] % len(key)
