#!/usr/bin/env python3
"""read.py [FILE] -- reads predictions in Python: how many of each class, and how sure the network is.

    rn-predict -m run/best.rn val.rn | read.py

Needs msgpack and msgpack-numpy; rn-stream(5) says what is in a stream."""
import sys

import msgpack
import msgpack_numpy

file = open(sys.argv[1], "rb") if len(sys.argv) > 1 else sys.stdin.buffer
classes, sure, ended = [], {}, False
for item in msgpack.Unpacker(file, object_hook=msgpack_numpy.decode, max_buffer_size=2**31 - 1):
    if item.get("rn") == "end":
        ended = True
    elif "rn" in item:
        classes, ended = item["classes"], False
    elif "error" in item:
        print(item["id"], item["error"], file=sys.stderr)
    else:
        sure.setdefault(classes[item["probs"].argmax()], []).append(float(item["probs"].max()))
if not ended:
    sys.exit("read.py: the stream is cut short")
for name in classes:
    if name in sure:
        print("%s\t%d\t%.3f" % (name, len(sure[name]), sum(sure[name]) / len(sure[name])))
