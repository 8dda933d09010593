"""Messages, services and the graph between the processes of one user on one machine.

Every process of a domain listens on a socket in the domain's folder (`folder`) and is connected with every other one
(`link`). Over these connections go the graph, small messages, requests and replies (`frames`); big messages lie in
shared memory (`slots`), and the connection says that there is one. The end of a connection is the end of the process.
"""
