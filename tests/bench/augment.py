"""augment.py PICTURE.raw HEIGHT WIDTH RECIPES -- the Python side of tests/bench/augment.c: for each line of a row's name and a number
of pictures on standard input, the milliseconds of processor time that they take with Albumentations 1.3.1 and OpenCV in one thread; 0
where there is no such row. p is 1; pipelines are those of RECIPES at low; "files:PHOTO" is one photo through all of them, to files."""
import os, sys, tempfile, time, warnings
warnings.simplefilter("ignore")
import albumentations as A
import cv2
import numpy as np

cv2.setNumThreads(0)
image = np.fromfile(sys.argv[1], np.uint8).reshape(int(sys.argv[2]), int(sys.argv[3]), 3)

transforms = [A.Normalize(), A.RandomCrop(224, 224), A.CenterCrop(224, 224), A.RandomSizedCrop((256, 384), 224, 224),
              A.RandomResizedCrop(224, 224), A.Resize(224, 224), A.RandomBrightness(p=1), A.RandomContrast(p=1), A.RandomBrightnessContrast(p=1),
              A.Transpose(p=1), A.RandomRotate90(p=1), A.Rotate(p=1), A.ShiftScaleRotate(p=1), A.HorizontalFlip(p=1), A.VerticalFlip(p=1),
              A.Flip(p=1), A.Blur((3, 3), p=1), A.MotionBlur((3, 3), p=1), A.MedianBlur((3, 3), p=1), A.GaussianBlur((3, 3), p=1),
              A.RandomGamma(p=1), A.OpticalDistortion(p=1), A.ElasticTransform(p=1), A.HueSaturationValue(p=1), A.RGBShift(p=1),
              A.ChannelShuffle(p=1), A.CLAHE(p=1), A.InvertImg(p=1), A.GaussNoise(p=1), A.RandomShadow(p=1),
              A.CoarseDropout(p=1), A.Cutout(p=1), A.GridDropout(p=1), A.ColorJitter(p=1), A.Affine(p=1), A.SmallestMaxSize(), A.LongestMaxSize(),
              A.PadIfNeeded(), A.ToGray(p=1), A.ImageCompression(p=1), A.GridDistortion(p=1), A.Sharpen(p=1), A.Emboss(p=1), A.Perspective(p=1),
              A.RandomScale(p=1), A.Posterize(p=1), A.Solarize(p=1), A.Equalize(p=1), A.ISONoise(p=1), A.MultiplicativeNoise(p=1), A.Downscale(p=1)]
rows = {type(t).__name__: t for t in transforms}
for kind, side in ((A.Blur, 7), (A.Blur, 31), (A.MedianBlur, 5), (A.MedianBlur, 7), (A.MedianBlur, 21), (A.GaussianBlur, 7)):
    rows["%s-%d" % (kind.__name__, side)] = kind((side, side), p=1)
for interpolation, way in enumerate(("nearest", "linear", "cubic", "area", "lanczos")):
    rows["Resize-" + way] = A.Resize(224, 224, interpolation)
pipelines = [A.load(os.path.join(sys.argv[4], name + ".json")) for name in ("basic", "affine", "distort")]
rows.update(zip(("basic", "affine", "distort"), pipelines))

def files(photo, out):
    rgb = cv2.cvtColor(cv2.imread(photo), cv2.COLOR_BGR2RGB)
    for i, p in enumerate(pipelines):
        cv2.imwrite(os.path.join(out, "%d.jpg" % i), cv2.cvtColor(p(image=rgb)["image"], cv2.COLOR_RGB2BGR))

def work(name, times, out):
    if name.startswith("files:"):
        return files(name[6:], out)
    t = rows[name]
    for _ in range(times):
        np.ascontiguousarray(t(image=image)["image"]) # as Compose hands pictures on
    return None

print("ready", flush=True)
with tempfile.TemporaryDirectory() as folder:
    for line in sys.stdin:
        row, count = line.rstrip("\n").split("\t")
        start = time.process_time()
        known = row in rows or row.startswith("files:")
        if known:
            work(row, int(count), folder)
        print("%.6f" % (1000 * (time.process_time() - start) if known else 0), flush=True)
