import requests


def agents(url):
    return requests.get(url + '/agents')  # finds: missing-timeout
