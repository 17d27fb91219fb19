#!/.lab/bin/python -IS
"""Every stand-in command is this program, by another name: it hands itself to the zone's stage.

The stage gets the words, the working directory and the three standard files, and answers with the
exit code. Written on what starts fastest (9 ms), for a deployment calls such commands thousands
of times.
"""

import sys
from _socket import AF_UNIX, SCM_RIGHTS, SHUT_WR, SOCK_STREAM, SOL_SOCKET, socket
from array import array
from posix import getcwd

with_stage = socket(AF_UNIX, SOCK_STREAM)
with_stage.connect("/.lab/stage")
words = "\0".join([getcwd(), *sys.argv]).encode("utf-8", "surrogateescape")
sent = with_stage.sendmsg([words], [(SOL_SOCKET, SCM_RIGHTS, array("i", [0, 1, 2]))])
while sent < len(words):
    sent += with_stage.send(words[sent:])
with_stage.shutdown(SHUT_WR)
answer = with_stage.recv(1)
sys.exit(answer[0] if answer else 255)
