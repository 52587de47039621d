"""augment.py FOLDER [COUNT [CLASS...]] -- random recipes, over random pictures, run by rn-augment and by Albumentations 1.3.1 with the
numbers that rn-augment says it drew: every pixel must be equal. COUNT recipes (1000), of the seeds 0 .. COUNT - 1, of all classes or
of these. Speaks TAP, one line a class. What may differ is named in `excused`. rn-augment and rn-list are on PATH."""
import collections
import io
import json
import math
import os
import random
import subprocess
import sys
import warnings

warnings.simplefilter("ignore")
import albumentations as A
import cv2
import msgpack
import numpy as np
from albumentations.core.serialization import from_dict

cv2.setNumThreads(0)
BATCH = 40


# ---- options: what a class may be given, from a random.Random ----

def pair(r, low, high, digits=3):
    a = sorted(round(r.uniform(low, high), digits) for _ in range(2))
    return a if r.random() < 0.9 else a[::-1]


def whole_pair(r, low, high, step=1):
    return sorted(r.randrange(low, high + 1, step) for _ in range(2))


def colour(r):
    return r.choice([None, r.randrange(256), [r.randrange(256) for _ in range(3)], [r.uniform(0, 255) for _ in range(3)]])


def sampling(r, border="border_mode", value="value"):
    if r.random() < 0.4:
        return {}
    o = {"interpolation": r.randrange(5), border: r.randrange(5)}
    if value == "value" or r.random() < 0.5:
        o[value] = colour(r)
        if o[value] is None and value != "value":
            o[value] = 0
    return o


def side(r):
    return r.choice([r.randint(1, 12), r.randint(8, 90), r.randint(30, 60)])


def some(r, **options):
    """Each with a chance of 3 in 4, else the default."""
    return {k: v for k, v in options.items() if r.random() < 0.75}


def shift_scale_rotate(r):
    tiny = r.random() < 0.2
    return dict(some(r, shift_limit_x=pair(r, -0.3, 0.3), shift_limit_y=pair(r, -2, 2), rotate_limit=pair(r, -180, 180),
                     scale_limit=pair(r, -0.9999, -0.98, 6) if tiny else pair(r, -0.9, 2)), **sampling(r))


OPTIONS = {
    "Normalize": lambda r: some(r, mean=[r.random() for _ in range(3)], std=r.choice([0.5, [r.uniform(0.1, 1) for _ in range(3)]]),
                                max_pixel_value=r.choice([255.0, 1.0, 128.0])),
    "RandomCrop": lambda r: {"height": side(r), "width": side(r)},
    "CenterCrop": lambda r: {"height": side(r), "width": side(r)},
    "RandomSizedCrop": lambda r: dict(min_max_height=whole_pair(r, 2, 40), height=side(r), width=side(r),
                                      **some(r, w2h_ratio=round(r.uniform(0.5, 2), 2), interpolation=r.randrange(5))),
    "RandomResizedCrop": lambda r: dict(height=side(r), width=side(r), **some(r, scale=pair(r, 0.05, 1), ratio=sorted(pair(r, 0.3, 3)),
                                                                             interpolation=r.randrange(5))),
    "Resize": lambda r: dict(height=side(r), width=side(r), **some(r, interpolation=r.randrange(5))),
    "RandomBrightness": lambda r: some(r, limit=pair(r, -1, 1)),
    "RandomContrast": lambda r: some(r, limit=pair(r, -1, 1)),
    "RandomBrightnessContrast": lambda r: some(r, brightness_limit=pair(r, -1, 1), contrast_limit=pair(r, -1, 1), brightness_by_max=r.random() < 0.5),
    "Transpose": lambda r: {},
    "RandomRotate90": lambda r: {},
    "Rotate": lambda r: dict(some(r, limit=pair(r, -180, 180), crop_border=r.random() < 0.3, mask_value=3, rotate_method="ellipse"), **sampling(r)),
    "ShiftScaleRotate": shift_scale_rotate,
    "HorizontalFlip": lambda r: {},
    "VerticalFlip": lambda r: {},
    "Flip": lambda r: {},
    "Blur": lambda r: some(r, blur_limit=whole_pair(r, 1, 40)),
    "MotionBlur": lambda r: some(r, blur_limit=whole_pair(r, 3, 21, 2), allow_shifted=r.random() < 0.6),
    "MedianBlur": lambda r: some(r, blur_limit=whole_pair(r, 1, 25, 2)),
    "GaussianBlur": lambda r: some(r, blur_limit=whole_pair(r, 1, 25, 2), sigma_limit=r.choice([0, pair(r, 0.1, 6)])),
    "RandomGamma": lambda r: some(r, gamma_limit=pair(r, 1, 400)),
    "OpticalDistortion": lambda r: dict(some(r, distort_limit=pair(r, -3, 3), shift_limit=pair(r, -9, 9)), **sampling(r)),
    "ElasticTransform": lambda r: dict(alpha=0, **dict(some(r, alpha_affine=r.uniform(0, 40)), **sampling(r))),
    "HueSaturationValue": lambda r: some(r, hue_shift_limit=pair(r, -180, 180), sat_shift_limit=pair(r, -100, 100), val_shift_limit=pair(r, -100, 100)),
    "RGBShift": lambda r: some(r, r_shift_limit=pair(r, -99, 99), g_shift_limit=pair(r, -99, 99), b_shift_limit=pair(r, -99, 99)),
    "ChannelShuffle": lambda r: {},
    "CLAHE": lambda r: some(r, clip_limit=r.choice([[0, 0], pair(r, 0, 8), 3.0]), tile_grid_size=[r.randint(1, 9), r.randint(1, 9)]),
    "InvertImg": lambda r: {},
    "RandomShadow": lambda r: some(r, shadow_roi=[0, r.choice([0, 0.5, 0.3]), 1, 1], num_shadows_upper=r.randint(1, 4), shadow_dimension=r.randint(3, 9)),
    "CoarseDropout": lambda r: r.choice([
        dict(max_holes=r.randint(3, 20), min_holes=r.choice([None, 1, 3]), max_height=r.randint(2, 9), max_width=r.randint(2, 9),
             min_height=r.choice([None, 1, 2]), min_width=r.choice([None, 1, 2])),
        dict(max_height=round(r.uniform(0.2, 0.9), 2), max_width=round(r.uniform(0.2, 0.9), 2), min_height=0.1, min_width=0.2), {}]) |
        some(r, fill_value=r.choice([7, [1, 200, 30], 12.7]), mask_fill_value=None),
    "Cutout": lambda r: some(r, num_holes=r.randint(1, 9), max_h_size=r.randint(0, 20), max_w_size=r.randint(1, 20), fill_value=r.randint(0, 255)),
    "GridDropout": lambda r: some(r, ratio=round(r.uniform(0.01, 1), 3), random_offset=r.random() < 0.5, fill_value=r.choice([0, 99]),
                                  shift_x=r.choice([None, -3, 2, 40]), shift_y=r.choice([None, 0, 5])) |
        r.choice([{}, dict(unit_size_min=r.randint(2, 5), unit_size_max=r.randint(5, 9)), dict(holes_number_x=r.randint(1, 9)),
                  dict(holes_number_y=r.randint(1, 9), holes_number_x=r.randint(1, 5))]),
    "ToGray": lambda r: {},
    "Solarize": lambda r: some(r, threshold=r.choice([r.randint(0, 255), pair(r, 0, 255)])),
    "Posterize": lambda r: some(r, num_bits=r.choice([r.randint(0, 8), whole_pair(r, 0, 8), [r.randint(0, 8) for _ in range(3)],
                                                     [whole_pair(r, 0, 8) for _ in range(3)]])),
    "Sharpen": lambda r: some(r, alpha=sorted(pair(r, 0, 1)), lightness=sorted(pair(r, 0, 3))),
    "Emboss": lambda r: some(r, alpha=sorted(pair(r, 0, 1)), strength=sorted(pair(r, 0, 3))),
    "SmallestMaxSize": lambda r: dict(max_size=r.choice([side(r), [side(r), side(r), side(r)]]), **some(r, interpolation=r.randrange(5))),
    "LongestMaxSize": lambda r: dict(max_size=r.choice([side(r), [side(r), side(r), side(r)]]), **some(r, interpolation=r.randrange(5))),
    "RandomScale": lambda r: some(r, scale_limit=pair(r, -0.9, 2), interpolation=r.randrange(5)),
    "NoOp": lambda r: {},
    "PadIfNeeded": lambda r: dict(r.choice([dict(min_height=side(r) * 2, min_width=side(r) * 2), dict(min_height=None, min_width=side(r), pad_height_divisor=side(r)),
                                            dict(min_height=None, min_width=None, pad_height_divisor=16, pad_width_divisor=32)]),
                                  **some(r, border_mode=r.randrange(5), value=colour(r))),
    "ColorJitter": lambda r: some(r, brightness=r.choice([round(r.random(), 2), sorted(pair(r, 0, 3)), [0, 0]]),
                                  contrast=r.choice([round(r.random(), 2), sorted(pair(r, 0, 3)), [0, 0]]),
                                  saturation=r.choice([round(r.random(), 2), sorted(pair(r, 0, 3)), [0, 0], [1, 1]]),
                                  hue=r.choice([0, 0.5, round(r.random() / 2, 2), sorted(pair(r, -0.5, 0.5))])),
    "Affine": lambda r: some(r, scale=both(r, 0.5, 2), rotate=r.choice([r.uniform(-99, 99), pair(r, -180, 180)]), shear=both(r, -40, 40),
                             fit_output=r.random() < 0.3) | r.choice([{}, dict(translate_percent=both(r, -0.5, 0.5)),
                             dict(translate_px={"x": whole_pair(r, -20, 20), "y": whole_pair(r, -20, 20)})]) | sampling(r, "mode", "cval"),
    "GridDistortion": lambda r: dict(some(r, num_steps=r.randint(1, 9), distort_limit=pair(r, -0.9, 0.9), normalized=r.random() < 0.4), **sampling(r)),
    "ImageCompression": lambda r: r.choice([{}, dict(quality_lower=r.randint(0, 50), quality_upper=r.randint(50, 100))]),
    "Perspective": lambda r: some(r, scale=r.choice([r.uniform(0.01, 0.4), pair(r, 0, 0.5)]), keep_size=r.random() < 0.6, fit_output=r.random() < 0.3) |
        sampling(r, "pad_mode", "pad_val"),
    "Downscale": lambda r: dict(zip(("scale_min", "scale_max"), sorted(pair(r, 0.1, 0.99))) if r.random() < 0.7 else {}) |
        some(r, interpolation=r.choice([None, r.randrange(5), {"downscale": r.randrange(5), "upscale": r.randrange(5)}])),
    "ISONoise": lambda r: some(r, color_shift=pair(r, 0, 0.1), intensity=r.choice([[0, 0], pair(r, 0, 1), pair(r, 0, 9)])),
    "Equalize": lambda r: some(r, mode=r.choice(["cv", "pil"]), by_channels=r.random() < 0.5),
    "MultiplicativeNoise": lambda r: some(r, multiplier=pair(r, 0, 3), per_channel=r.random() < 0.5),
}


def both(r, low, high):
    """A number, a pair, or x and y of these."""
    one = lambda: r.choice([round(r.uniform(low, high), 2), sorted(pair(r, low, high))])
    return r.choice([one(), {"x": one(), "y": one()}])


# ---- numbers that were drawn, as Albumentations' parameters ----

def motion_kernel(t, d, image):
    kernel = np.zeros((int(d["ksize"]),) * 2, np.uint8)
    cv2.line(kernel, tuple(map(int, d["p1"])), tuple(map(int, d["p2"])), 1, thickness=1)
    return {"kernel": kernel.astype(np.float32) / np.sum(kernel)}


def rotate(t, d, image):
    return dict(d, **(t._rotated_rect_with_max_area(*image.shape[:2], d["angle"]) if t.crop_border else {}))


def shadows(t, d, image):
    corners = np.array(d["polygons"], np.int32).reshape(-1, t.shadow_dimension, 2)
    return {"vertices_list": [c[None] for c in corners]}


def whole(*names):
    return lambda t, d, image: {k: int(v) if k in names else v for k, v in d.items()}


def replayed(t, numbers, image):
    """What the transform makes of these numbers, drawn one after the other."""
    left = list(numbers)
    saved = random.uniform, random.randint
    random.uniform = random.randint = lambda *a: left.pop(0)
    try:
        return t.get_params_dependent_on_targets({"image": image})
    finally:
        random.uniform, random.randint = saved


def grid_holes(t, d, image):
    unit = [int(d["unit_width"])] if t.unit_size_min and t.unit_size_max else []
    return replayed(t, unit + [int(d["shift_x"]), int(d["shift_y"])], image)


def grid_steps(t, d, image):
    n = t.num_steps + 1
    steps = {"stepsx": list(d["steps"][:n]), "stepsy": list(d["steps"][n:])}
    return t._normalize(*image.shape[:2], steps["stepsx"], steps["stepsy"]) if t.normalized else steps


def affine(t, d, image):
    return replayed(t, [*(map(int, d["translate"]) if t.translate_px is not None else d["translate"]), *d["shear"], *d["scale"], d["rotate"]], image)


def perspective(t, d, image):
    saved = A.random_utils.uniform, A.random_utils.normal
    A.random_utils.uniform = lambda *a: 0
    A.random_utils.normal = lambda *a: np.array(d["points"]).reshape(4, 2)
    try:
        return t.get_params_dependent_on_targets({"image": image})
    finally:
        A.random_utils.uniform, A.random_utils.normal = saved


UNCHANGED = A.random_utils.uniform, A.random_utils.normal, A.random_utils.poisson


def elastic(t, d, image):
    A.random_utils.uniform = lambda low, high, size=None, random_state=None: np.array(d["offsets"]).reshape(3, 2)
    return {"random_state": 0}


def philox(key, n):
    """n blocks of four numbers of Philox4x32-10, of the counters (0, 0, 0, i)."""
    m0, m1, low = 0xD2511F53, 0xCD9E8D57, 0xFFFFFFFF
    c0 = c1 = c2 = np.zeros(n, np.uint64)
    c3, k0, k1 = np.arange(n, dtype=np.uint64), key & low, key >> 32
    for _ in range(10):
        p0, p1 = np.uint64(m0) * c0, np.uint64(m1) * c2
        c0, c1, c2, c3 = (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0), p1 & np.uint64(low), (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1), p0 & np.uint64(low)
        k0, k1 = (k0 + 0x9E3779B9) & low, (k1 + 0xBB67AE85) & low
    return np.stack([c0, c1, c2, c3], -1)


def units(seed, n):
    """The first n numbers of rn_rng_unit, of the generator of a drawn seed."""
    words = philox(int(seed) ^ (5 * 0x9E3779B97F4A7C15 & (1 << 64) - 1), (n + 1) // 2).reshape(-1, 2)
    return ((words[:n, 0] | words[:n, 1] << np.uint64(32)) >> np.uint64(11)).astype(float) * 2.0**-53


def iso_noise(t, d, image):
    """Three numbers a pixel: one for Poisson's distribution, summed up, and two for a normal one."""
    u = units(d["seed"], 3 * image.shape[0] * image.shape[1]).reshape(*image.shape[:2], 3)

    def poisson(mean, size, random_state=None):
        mean = float(mean.item())
        k = np.arange(int(mean + 12 * math.sqrt(mean) + 20))
        below = np.cumsum(np.exp(k * math.log(max(mean, 1e-300)) - mean - np.array([math.lgamma(v + 1) for v in k])))
        return np.minimum(np.searchsorted(below, u[..., 0], "right"), len(k) - 1)

    A.random_utils.poisson = poisson
    A.random_utils.normal = lambda mean, deviation, size=None, random_state=None: deviation * (np.sqrt(-2 * np.log(1 - u[..., 1])) * np.cos(2 * np.pi * u[..., 2]))
    return {"color_shift": d["color_shift"], "intensity": d["intensity"], "random_state": 0}


PARAMS = {
    "MotionBlur": motion_kernel,
    "Rotate": rotate,
    "RandomShadow": shadows,
    "RandomSizedCrop": lambda t, d, image: dict(d, crop_height=int(d["crop_height"]), crop_width=int(d["crop_height"] * t.w2h_ratio)),
    "RandomResizedCrop": whole("crop_height", "crop_width"),
    "Blur": whole("ksize"), "MedianBlur": whole("ksize"), "GaussianBlur": whole("ksize"), "RandomRotate90": whole("factor"), "Flip": whole("d"),
    "ChannelShuffle": lambda t, d, image: {"channels_shuffled": [int(v) for v in d["order"]]},
    "ElasticTransform": elastic,
    "OpticalDistortion": whole("dx", "dy"),
    "CoarseDropout": lambda t, d, image: {"holes": np.array(d["holes"], int).reshape(-1, 4)},
    "Cutout": lambda t, d, image: {"holes": np.array(d["holes"], int).reshape(-1, 4)},
    "GridDropout": grid_holes,
    "GridDistortion": grid_steps,
    "Affine": affine,
    "Perspective": perspective,
    "Posterize": lambda t, d, image: {"num_bits": [int(v) for v in d["num_bits"]] if isinstance(d["num_bits"], list) and len(d["num_bits"]) > 1 else int(np.ravel(d["num_bits"])[0])},
    "Sharpen": lambda t, d, image: {"sharpening_matrix": t._Sharpen__generate_sharpening_matrix(d["alpha"], d["lightness"])},
    "Emboss": lambda t, d, image: {"emboss_matrix": t._Emboss__generate_emboss_matrix(d["alpha"], d["strength"])},
    "SmallestMaxSize": whole("max_size"), "LongestMaxSize": whole("max_size"),
    "ISONoise": iso_noise,
    "PadIfNeeded": lambda t, d, image: {},
    "ColorJitter": lambda t, d, image: dict(d, order=[int(v) for v in d["order"]]),
    "ImageCompression": lambda t, d, image: {"quality": int(d["quality"]), "image_type": ".jpg"},
    "MultiplicativeNoise": lambda t, d, image: {"multiplier": np.ravel(d["multiplier"])},
}


RESIZERS = ("Resize", "RandomSizedCrop", "RandomResizedCrop", "SmallestMaxSize", "LongestMaxSize", "RandomScale", "Perspective")


def excused(name, t, drawn, image):
    """The exceptions, by name."""
    if name == "MotionBlur" and drawn["ksize"] > 11:
        return "OpenCV sums larger kernels by Fourier transform: ties are rounded as its noise has them"
    if name == "Downscale" and {t.interpolation.downscale, t.interpolation.upscale} & {cv2.INTER_CUBIC, cv2.INTER_LINEAR}:
        return "float sums of IPP, cut off to whole levels: their last bits show"
    if getattr(t, "interpolation", None) == cv2.INTER_CUBIC and name in RESIZERS:
        return "IPP's sums of cubic weights at the picture's edge: ties go as their last bits have it"
    return None


# ---- pictures ----

def picture(r):
    h, w = r.choice([(side(r), side(r)), (r.randint(20, 90), r.randint(20, 90)), (48, 64)])
    g = np.random.RandomState(r.randrange(2**31))
    y, x = np.mgrid[0:h, 0:w]
    kind = r.randrange(4)
    if kind == 0:
        return g.randint(0, 256, (h, w, 3)).astype(np.uint8)
    if kind == 1:
        return np.clip(np.stack([128 + 120 * np.sin(x / g.uniform(2, 20) + c) * np.cos(y / g.uniform(2, 20)) for c in range(3)], -1) +
                       g.normal(0, 6, (h, w, 3)), 0, 255).astype(np.uint8)
    if kind == 2:
        return (np.stack([x // 7 + y // 5] * 3, -1) % 2 * g.randint(0, 256, 3)).astype(np.uint8)
    return np.full((h, w, 3), g.randint(0, 256, 3), np.uint8)


# ---- a run ----

def make_recipe(seed, classes):
    r = random.Random(seed)
    names = [classes[seed % len(classes)]] + [c for c in r.sample(classes, min(r.randrange(3), len(classes)))]
    transforms = []
    for name in dict.fromkeys(names):
        transforms.append(dict({"__class_fullname__": name, "always_apply": False, "p": 1.0}, **OPTIONS[name](r)))
    return {"__version__": "1.3.1", "transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": transforms, "bbox_params": None,
                                                  "keypoint_params": None, "additional_targets": {}, "is_check_shapes": True}}


def tensor(t):
    return np.frombuffer(t[b"data"] if b"data" in t else t["data"], np.dtype(t.get(b"type", t.get("type")))).reshape(t.get(b"shape", t.get("shape")))


def theirs(name, t, step, image):
    drawn = {k: v for k, v in step.items() if k not in ("transform", "at")}
    params = PARAMS[name](t, drawn, image) if name in PARAMS else drawn
    params = t.update_params(dict(params), image=image)
    return np.ascontiguousarray(t.apply(image, **params))


def compare(recipe, record, image, tally):
    options = {t["__class_fullname__"]: t for t in recipe["transform"]["transforms"]}
    reasons, names = [], []
    out = image
    for step in record["augment"]:
        name = step["transform"]
        t = from_dict({"transform": options[name]})
        reason = excused(name, t, step, out)
        reasons += [reason] if reason else []
        out = theirs(name, t, step, out)
        names.append(name)
    ours = tensor(record["image"])
    same = ours.shape == out.shape and ours.dtype == out.dtype and np.array_equal(ours, out)
    if not same and ours.shape == out.shape and ours.dtype == np.float32:
        same = np.allclose(ours, out, rtol=1e-5, atol=1e-5, equal_nan=True)
    for name in names:
        tally[name]["pictures"] += 1
        if len(names) == 1 or same:
            tally[name]["equal"] += same
    if not same:
        differ = np.abs(ours.astype(float) - out).max() if ours.shape == out.shape else "shape %s, not %s" % (ours.shape, out.shape)
        pixels = int((ours != out).any(-1).sum()) if ours.shape == out.shape else -1
        line = "%s: %d pixels of %s, %s: %s" % (record["id"], pixels, ours.shape, differ, json.dumps(record["augment"])[:600])
        if reasons and (len(names) > 1 or differ == 1):
            tally[names[0]]["excused"] += 1
        else:
            tally[names[0]]["wrong"].append(line + "\n#   " + json.dumps(recipe["transform"]["transforms"])[:900])


def run(folder, seeds, classes, tally):
    recipes, pictures = {}, {}
    for seed in seeds:
        recipes["r%d" % seed] = make_recipe(seed, classes)
        with open(os.path.join(folder, "r%d.json" % seed), "w") as f:
            json.dump(recipes["r%d" % seed], f)
    for i in range(3):
        path = os.path.join(folder, "p%d.png" % i)
        pictures[path] = picture(random.Random(seeds[0] * 3 + i))
        cv2.imwrite(path, pictures[path][..., ::-1])
    listed = subprocess.run(["rn-list", "--unlabeled", "--files-from", "-"], input="\n".join(pictures).encode(), stdout=subprocess.PIPE, check=True)
    done = subprocess.run(["rn-augment", "-q", "-k", "--explain", "-j1", "-s", str(seeds[0]), "-r",
                           ",".join(os.path.join(folder, name + ".json") for name in recipes)], input=listed.stdout, stdout=subprocess.PIPE)
    if done.returncode not in (0, 1):
        raise RuntimeError("rn-augment: exit %d" % done.returncode)
    for record in msgpack.Unpacker(io.BytesIO(done.stdout), raw=False, strict_map_key=False, max_buffer_size=2**31 - 1):
        if "id" not in record:
            continue
        path, rest = record["id"].rsplit("#", 1)
        if "error" in record:
            tally["refused"]["pictures"] += 1
            tally["refused"]["wrong"].append(record["error"])
            continue
        name = rest.rsplit(".", 1)[0]
        compare(recipes[name], record, pictures[path], tally)


def noises(folder):
    """Transforms whose noise comes from another generator: means and deviations of what they change, of one picture in both."""
    y, x = np.mgrid[0:256, 0:256]
    image = np.stack([60 + x // 3, 80 + y // 4, np.full_like(x, 128)], -1).astype(np.uint8)
    cases = {"gauss": ("GaussNoise", dict(var_limit=[30, 30], per_channel=False)), "each": ("GaussNoise", dict(var_limit=[90, 90], mean=5)),
             "iso": ("ISONoise", dict(intensity=[0.4, 0.4], color_shift=[0.03, 0.03])),
             "pixels": ("MultiplicativeNoise", dict(multiplier=[0.7, 1.2], elementwise=True, per_channel=True))}
    cv2.imwrite(os.path.join(folder, "noise.png"), image[..., ::-1])
    for key, (name, options) in cases.items():
        with open(os.path.join(folder, key + ".json"), "w") as f:
            json.dump({"__version__": "1.3.1", "transform": dict({"__class_fullname__": name, "always_apply": True, "p": 1.0}, **options)}, f)
    listed = subprocess.run(["rn-list", "--unlabeled", "--files-from", "-"], input=os.path.join(folder, "noise.png").encode(), stdout=subprocess.PIPE, check=True)
    done = subprocess.run(["rn-augment", "-q", "-r", ",".join(os.path.join(folder, key + ".json") for key in cases)], input=listed.stdout, stdout=subprocess.PIPE, check=True)
    (A.random_utils.uniform, A.random_utils.normal, A.random_utils.poisson), wrong = UNCHANGED, []
    for record in msgpack.Unpacker(io.BytesIO(done.stdout), raw=False, strict_map_key=False):
        if "id" not in record:
            continue
        name, options = cases[record["id"].rsplit("#", 1)[1].rsplit(".", 1)[0]]
        random.seed(5)
        theirs_ = getattr(A, name)(always_apply=True, **options)(image=image)["image"]
        a, b = tensor(record["image"]).astype(float) - image, theirs_.astype(float) - image
        near = np.allclose(a.mean((0, 1)), b.mean((0, 1)), atol=0.02 * b.std() + 0.05) and np.allclose(a.std((0, 1)), b.std((0, 1)), rtol=0.03)
        alike = abs(np.corrcoef(a[..., 0].ravel(), a[..., 1].ravel())[0, 1] - np.corrcoef(b[..., 0].ravel(), b[..., 1].ravel())[0, 1]) < 0.03
        if not (near and alike):
            wrong.append("%s: mean %s, not %s; deviation %s, not %s" % (name, a.mean((0, 1)), b.mean((0, 1)), a.std((0, 1)), b.std((0, 1))))
    return wrong


def main():
    folder, count = ".", int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    os.chdir(sys.argv[1])  # ids, and so what is drawn, do not depend on where it lies
    classes = sys.argv[3:] or sorted(OPTIONS)
    tally = collections.defaultdict(lambda: {"pictures": 0, "equal": 0, "excused": 0, "wrong": []})
    for first in range(0, count, BATCH):
        run(folder, list(range(first, min(first + BATCH, count))), classes, tally)
    refused = tally.pop("refused", {"pictures": 0, "wrong": []})
    print("# %d recipes; %d pictures refused (too small for a crop, or floats)" % (count, refused["pictures"]))
    if os.environ.get("VERBOSE"):
        print("# " + "\n# ".join(sorted(set(" ".join(w.split(": ")[1:])[:150] for w in refused["wrong"]))))
    failed = 0
    for i, name in enumerate(sorted(tally), 1):
        t = tally[name]
        failed += bool(t["wrong"])
        print("%s %d - %s: %d pictures, %d excused, %d differ" % ("not ok" if t["wrong"] else "ok", i, name, t["pictures"], t["excused"], len(t["wrong"])))
        for line in t["wrong"][:int(os.environ.get("SHOW", 2))]:
            print("# " + line)
    wrong = [] if sys.argv[3:] else noises(folder)
    print("%s %d - noises: means, deviations, correlation of channels" % ("not ok" if wrong else "ok", len(tally) + 1))
    print("".join("# %s\n" % line for line in wrong) + "1..%d" % (len(tally) + 1))
    return failed + len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main())
