import requests


def agents(url):
    return requests.get(url + '/agents', timeout=10)


def cached(session, url):
    return session.get(url)
