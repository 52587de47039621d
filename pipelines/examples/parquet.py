#!/usr/bin/env python3
"""parquet.py FILE.parquet... -- an image set as Hugging Face keeps it (columns image and label) as samples with the photos' bytes.

    parquet.py train-*.parquet | rn-split > all.rn

Needs pyarrow and msgpack. Names of the classes are read from the files' own description, where they have one."""
import json
import sys

import msgpack
import pyarrow.parquet as parquet

files = [parquet.ParquetFile(path) for path in sys.argv[1:]]
about = json.loads((files[0].schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
features = about.get("info", {}).get("features", {})
label = next((name for name in ("label", "labels", "fine_label") if name in files[0].schema_arrow.names), None)
classes = features.get(label, {}).get("names")
if label and not classes:
    classes = ["%d" % i for i in range(1 + max(max(file.read([label])[label].to_pylist()) for file in files))]
write, count = lambda item: sys.stdout.buffer.write(msgpack.packb(item)), 0
write({"rn": "samples", "version": 1, "classes": classes or []})
for file in files:
    for batch in file.iter_batches(batch_size=256, columns=["image"] + ([label] if label else [])):
        for row in batch.to_pylist():
            name = "%08d/%s" % (count, row["image"].get("path") or "photo")
            write({"id": name, "label": row[label] if label else None, "split": None, "data": row["image"]["bytes"]})
            count += 1
write({"rn": "end", "records": count})
