import os
import subprocess


def rule(request):
    return '-A FORWARD -s %s -j ACCEPT' % request.source  # finds: unvalidated-text


def nft(helper):
    return f'add rule inet fw pre tcp dport {helper.port} ct helper set "{helper.name}"'  # finds: unvalidated-text


def query(cursor, name):
    cursor.execute("SELECT id FROM routers WHERE name = '%s'" % name)  # finds: unvalidated-text


def query2(cursor, name):
    cursor.execute("DELETE FROM routers WHERE name = '" + name + "'")  # finds: unvalidated-text


def query3(cursor, name):
    cursor.execute(f"UPDATE routers SET name = '{name}' WHERE id = 1")  # finds: unvalidated-text


def run(ns):
    subprocess.run('ip netns exec %s ip link' % ns, shell=True)  # finds: shell-string


def run2(ns):
    os.system('ip netns del ' + ns)  # finds: shell-string


def run3(ns):
    subprocess.check_output(f'ip netns add {ns}', shell=True)  # finds: shell-string


def run4(ns):
    os.popen('ip netns pids {}'.format(ns)).read()  # finds: shell-string


def run5(ns):
    subprocess.run(['sh', '-c', 'ip netns del ' + ns])  # finds: shell-string
