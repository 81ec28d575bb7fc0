import requests


def status(url):
    return requests.get(url, verify='/etc/pinhole/ca.pem', timeout=5)


def check(document, verify=False):
    return document.check(verify=False)
