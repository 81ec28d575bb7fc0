import os
import subprocess


def delete(namespace):
    os.system('ip netns del ' + namespace)  # finds: shell-string


def ping(host):
    command = 'ping -c 1 %s' % host
    return subprocess.run(command, shell=True, timeout=5)  # finds: shell-string
