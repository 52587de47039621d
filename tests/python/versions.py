"""versions.py write|read -- whether a file of another version of Albumentations means in 1.3.1 what it means there.

`write`, run by the other version, makes pipelines of each class (augment.py's random options, and its defaults), and says as lines of
JSON how it saves each, and what it does with a picture after random.seed and np.random.seed. `read`, run by 1.3.1, loads what was saved,
does the same, and says for each class how many were equal:

    old/python tests/python/versions.py write 20 | new/python tests/python/versions.py read

Equal in all of them: 1.3.1's meaning is proved for that class. Not loaded, or not equal: it is not, whoever is right. This is where
`until` of lib/augment/transform/ comes from."""
import collections
import hashlib
import json
import math
import os
import random
import sys
import warnings

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
warnings.simplefilter("ignore")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import albumentations as A
import cv2
import numpy as np
from albumentations.core.serialization import from_dict, to_dict

cv2.setNumThreads(0)


def picture(seed):
    g = np.random.RandomState(seed)
    y, x = np.mgrid[0:96, 0:112]
    return np.clip(np.stack([128 + 100 * np.sin(x / 9 + c) * np.cos(y / 7) for c in range(3)], -1) + g.normal(0, 9, (96, 112, 3)), 0, 255).astype(np.uint8)


def outcome(t, seed):
    """Of three pictures."""
    said = []
    for i in range(3):
        random.seed(seed * 3 + i)
        np.random.seed(seed * 3 + i)
        if hasattr(t, "set_random_seed"):
            t.set_random_seed(seed * 3 + i)
        try:
            y = np.ascontiguousarray(t(image=picture(i))["image"])
            said.append("%s %s %s" % (y.dtype, y.shape, hashlib.sha256(y.tobytes()).hexdigest()[:16]))
        except Exception as error:
            said.append("refused")
    return said


def how_often(t, seed, runs=3000):
    """Which results pipelines that are about who runs have, and how often: one generator's numbers are not another's."""
    random.seed(seed)
    np.random.seed(seed)
    if hasattr(t, "set_random_seed"):
        t.set_random_seed(seed)
    small = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) ** 2
    results = (t(image=small)["image"] for _ in range(runs))
    return collections.Counter("%s %s" % (y.shape, np.ascontiguousarray(y).tobytes().hex()) for y in results)


def alike(a, b):
    """Two counts, of the same distribution: five deviations of each share."""
    n, m = sum(a.values()), sum(b.values())
    for k in a.keys() | b.keys():
        share = (a.get(k, 0) + b.get(k, 0)) / (n + m)
        if abs(a.get(k, 0) / n - b.get(k, 0) / m) > 5 * math.sqrt(share * (1 - share) * (1 / n + 1 / m)) + 1e-9:
            return False
    return True


def composed(r):
    always = r.random() < 0.3
    one = lambda name: dict({"__class_fullname__": name, "always_apply": always and r.random() < 0.5, "p": round(r.random(), 2)})
    some = lambda: [one(n) for n in r.sample(["HorizontalFlip", "VerticalFlip", "Transpose", "InvertImg", "ToGray"], 3)]
    p = r.choice([1.0, round(r.random(), 2)])
    return "%s %s" % ("p=1" if p == 1 else "p<1", "always_apply" if always else ""), r.choice([
        {"__class_fullname__": "Compose", "p": p, "transforms": some()},
        {"__class_fullname__": "OneOf", "p": p, "transforms": some()},
        {"__class_fullname__": "SomeOf", "p": p, "n": r.randint(1, 3), "replace": r.random() < 0.5, "transforms": some()},
        {"__class_fullname__": "Sequential", "p": p, "transforms": some()},
        {"__class_fullname__": "OneOrOther", "p": p, "transforms": some()[:2]},
    ])


def write(count):
    from augment import OPTIONS
    cases = [(name, seed, dict({"__class_fullname__": name, "always_apply": False, "p": 1.0}, **OPTIONS[name](random.Random(seed)))) for name in sorted(OPTIONS)
             for seed in range(count)]
    for name in ("Normalize", "ElasticTransform", "GaussNoise", "ISONoise", "MultiplicativeNoise"):
        cases += [(name, 1000 + i, {"__class_fullname__": name, "always_apply": False, "p": 1.0}) for i in range(3)]
    for seed in range(5 * count):
        how, one = composed(random.Random(seed))
        cases.append(("%s %s" % (one["__class_fullname__"], how), seed, one))
    print(json.dumps({"version": A.__version__}))
    for name, seed, options in cases:
        options.pop("mask_fill_value", None)
        try:
            t = from_dict({"transform": dict(options)})
            saved = json.loads(json.dumps(to_dict(t)))  # some versions save what JSON cannot hold
        except Exception as error:
            print(json.dumps({"name": name, "seed": seed, "error": repr(error)[:160]}))
            continue
        print(json.dumps({"name": name, "seed": seed, "saved": saved, "outcome": how_often(t, seed) if " p" in name else outcome(t, seed)}))


def read(lines):
    head = json.loads(next(lines))
    tally = collections.defaultdict(lambda: [0, 0, 0, ""])
    for one in map(json.loads, lines):
        row = tally[one["name"]]
        if "error" in one:
            row[2] += 1
            row[3] = row[3] or one["error"]
            continue
        row[0] += 1
        try:
            t = from_dict(one["saved"])
            theirs = how_often(t, one["seed"] + 1) if " p" in one["name"] else outcome(t, one["seed"])
        except Exception as error:
            row[3] = row[3] or repr(error)[:160]
            continue
        if alike(theirs, one["outcome"]) if " p" in one["name"] else theirs == one["outcome"]:
            row[1] += 1
        else:
            row[3] = row[3] or "%s, not %s: %s" % (one["outcome"], theirs, json.dumps(one["saved"]["transform"])[:200])
    print("%s, read by %s: equal, of all, not made" % (head["version"], A.__version__))
    for name in sorted(tally):
        row = tally[name]
        print("%-28s %4d %4d %4d  %s" % (name, row[1], row[0], row[2], row[3]))


if __name__ == "__main__":
    write(int(sys.argv[2])) if sys.argv[1] == "write" else read(sys.stdin)
