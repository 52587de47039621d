#!/usr/bin/env python3
"""generate.py [EPOCHS] -- feeds rn-train from a Python generator: no photo is ever a file.

    generate.py 3 | rn-train -t ours --lr 0.01 -o run

The pictures are noise with a bright square on the left or on the right. Needs numpy, msgpack and msgpack-numpy."""
import sys

import msgpack
import msgpack_numpy
import numpy as np

CLASSES, SIZE, BATCH, BATCHES = ["left", "right"], 32, 8, 6


def batches(epoch):
    """Any source will do: a database, a simulation, a camera. Yields ids, labels and uint8 pictures (N, H, W, 3)."""
    random = np.random.default_rng(epoch)
    for index in range(BATCHES):
        labels = random.integers(0, 2, BATCH)
        images = random.integers(0, 100, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
        for image, label in zip(images, labels):
            image[8:24, 2 + 16 * label : 14 + 16 * label] = 250
        yield ["picture%d" % (index * BATCH + i) for i in range(BATCH)], labels.tolist(), images


def write(item):
    sys.stdout.buffer.write(msgpack.packb(item, default=msgpack_numpy.encode))


epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 1
for epoch in range(epochs):
    write({"rn": "batches", "version": 1, "classes": CLASSES, "mode": "train", "batch": BATCH, "epoch": epoch, "epochs": epochs,
           "batches_per_epoch": BATCHES, "seed": 0, "input": {"size": SIZE, "resize": SIZE, "mean": [0.5] * 3, "std": [0.25] * 3}})
    for index, (ids, labels, images) in enumerate(batches(epoch)):
        write({"epoch": epoch, "index": index, "ids": ids, "labels": labels, "images": images})
    write({"rn": "end", "records": BATCHES})
sys.stdout.buffer.flush()
