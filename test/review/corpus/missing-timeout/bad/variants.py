import json
import requests
import socket


def a(url):
    return requests.get(url).json()  # finds: missing-timeout


def b(url):
    session = requests.Session()
    return session.post(url, json={})  # finds: missing-timeout


def c(host):
    s = socket.create_connection((host, 80))  # finds: missing-timeout
    return s


def d(items):
    middle = len(items) / 2  # finds: size-arithmetic
    return items[middle]


def e(total, page):
    return range(total / page)  # finds: size-arithmetic


def f(items):
    return sum(items) / len(items)  # finds: division-by-count


def g(port):
    if port == '80' and int(port) == '80':  # finds: mixed-type-comparison
        return True


def h():
    unused = compute()  # finds: unused-binding
    return 1


def i(x):
    return x is 'abc'  # finds: mixed-type-comparison


def j(addr):
    host, port = addr.split(':')  # finds: address-split-by-colon
    return host, port
