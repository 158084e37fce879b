"""What runs inside a guest: finds the addresses of upstream servers by name, and which servers answer.

Two programs share it. `watch` speaks to the network and has no rights; it writes what it found into a file. `apply`
is root's: it takes addresses, and nothing else, from that file, writes nginx's lists of servers and has nginx read
them. Standard library, and dnspython where names are used; Python 3.11 and later.

    python3 -m watcher watch|apply
"""
