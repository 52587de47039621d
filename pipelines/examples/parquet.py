#!/usr/bin/env python3
"""parquet.py FILE.parquet... -- an image set as Hugging Face keeps it (columns image and label) as samples with the photos' bytes.

    parquet.py train-*.parquet | rn-split > all.rn

Needs pyarrow and msgpack. The classes' names are those in the files' own description; without one, the labels as they are."""
import json
import sys

import msgpack
import pyarrow.parquet as parquet


def write(item):
    sys.stdout.buffer.write(msgpack.packb(item))


files = [parquet.ParquetFile(path) for path in sys.argv[1:]]
about = json.loads((files[0].schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
label = next((name for name in ("label", "labels") if name in files[0].schema_arrow.names), None)
names = about.get("info", {}).get("features", {}).get(label, {}).get("names")
values = range(len(names)) if names else sorted({v for f in files for v in f.read([label])[label].to_pylist()} if label else [])
index = {value: i for i, value in enumerate(values)}  # a label that is in no class (-1: nobody knows) is nil
write({"rn": "samples", "version": 1, "classes": names or [str(value) for value in values]})
count = 0
for file in files:
    for batch in file.iter_batches(batch_size=256, columns=["image"] + ([label] if label else [])):
        for row in batch.to_pylist():
            name = "%08d/%s" % (count, row["image"].get("path") or "photo")
            write({"id": name, "label": index.get(row.get(label)), "split": None, "data": row["image"]["bytes"]})
            count += 1
write({"rn": "end", "records": count})
