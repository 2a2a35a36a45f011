import socket
import subprocess
import sys

from opentrail.adapters.query_engine.frames import START, pack_order

A_HOST_KILLED_WHILE_IT_FORKS = """
import os, signal, socket, sys, time
from opentrail.adapters.query_engine.forking import serve_forks

host, fork = os.getpid(), os.fork

def killed_once_forked():
    pid = fork()
    if pid:
        os.kill(host, signal.SIGKILL)
    while os.getppid() == host:
        time.sleep(0.001)
    return pid

os.fork = killed_once_forked
serve_forks(socket.socket(fileno=sys.stdin.fileno()), lambda told, answers: answers.write(b"working"), lambda: None)
"""


def test_a_fork_of_a_host_that_was_killed_meanwhile_does_no_work() -> None:
    orders, hosts_orders = socket.socketpair()
    talk, forks_talk = socket.socketpair()
    with orders, talk:
        talk.settimeout(60)
        with hosts_orders:
            host = subprocess.Popen([sys.executable, "-c", A_HOST_KILLED_WHILE_IT_FORKS], stdin=hosts_orders.fileno())
        with forks_talk:
            socket.send_fds(orders, [pack_order(START, 1)], [forks_talk.fileno()])

        assert host.wait(60) < 0
        assert talk.recv(64) == b""
