import subprocess


def delete(namespace):
    subprocess.run(['ip', 'netns', 'del', namespace], check=True)


def loaded():
    return subprocess.run('lsmod | grep nf_conntrack', shell=True, timeout=5)


def ping(host):
    return subprocess.run(['ping', '-c', '1', host], shell=False, timeout=5)
