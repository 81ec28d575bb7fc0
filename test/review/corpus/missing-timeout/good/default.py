import ftplib
import smtplib
import socket
from urllib.request import urlopen


def fetch(url):
    socket.setdefaulttimeout(5)
    return urlopen(url)


def mail(host):
    client = smtplib.SMTP()
    client.connect(host)
    client.quit()


def files(host):
    client = ftplib.FTP()
    client.connect(host, 21, 10)
    return client
