"""augment.py PICTURE.raw HEIGHT WIDTH RECIPES PHOTO... -- the Python side of tests/bench/augment.c: lines of name and milliseconds a
picture, with Albumentations 1.3.1 and OpenCV in one thread. p is 1; pipelines are those of RECIPES at low."""
import os, sys, tempfile, time, warnings
warnings.simplefilter("ignore")
import albumentations as A
import cv2
import numpy as np

cv2.setNumThreads(0)
picture, height, width, recipes, photos = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5:]
image = np.fromfile(picture, np.uint8).reshape(height, width, 3)

def measure(name, work, least):
    work()
    start, n = time.process_time(), 0
    while True:
        work()
        n += 1
        spent = time.process_time() - start
        if spent > 0.25 and n >= least:
            break
    print("%s\t%.6f" % (name, 1000 * spent / n), flush=True)

transforms = [A.Normalize(), A.RandomCrop(224, 224), A.CenterCrop(224, 224), A.RandomSizedCrop((256, 384), 224, 224),
              A.RandomResizedCrop(224, 224), A.Resize(224, 224), A.RandomBrightness(p=1), A.RandomContrast(p=1), A.RandomBrightnessContrast(p=1),
              A.Transpose(p=1), A.RandomRotate90(p=1), A.Rotate(p=1), A.ShiftScaleRotate(p=1), A.HorizontalFlip(p=1), A.VerticalFlip(p=1),
              A.Flip(p=1), A.Blur((3, 3), p=1), A.MotionBlur((3, 3), p=1), A.MedianBlur((3, 3), p=1), A.GaussianBlur((3, 3), p=1),
              A.RandomGamma(p=1), A.OpticalDistortion(p=1), A.ElasticTransform(p=1), A.HueSaturationValue(p=1), A.RGBShift(p=1),
              A.ChannelShuffle(p=1), A.CLAHE(p=1), A.InvertImg(p=1), A.GaussNoise(p=1), A.RandomShadow(p=1),
              A.CoarseDropout(p=1), A.Cutout(p=1), A.GridDropout(p=1), A.ColorJitter(p=1), A.Affine(p=1), A.SmallestMaxSize(), A.LongestMaxSize(),
              A.PadIfNeeded(), A.ToGray(p=1), A.ImageCompression(p=1), A.GridDistortion(p=1), A.Sharpen(p=1), A.Emboss(p=1), A.Perspective(p=1),
              A.RandomScale(p=1), A.Posterize(p=1), A.Solarize(p=1), A.Equalize(p=1), A.ISONoise(p=1), A.MultiplicativeNoise(p=1), A.Downscale(p=1)]
for t in transforms: # contiguous, as Compose hands pictures on
    measure(type(t).__name__, lambda: np.ascontiguousarray(t(image=image)["image"]), 20)
for kind, side in ((A.Blur, 7), (A.Blur, 31), (A.MedianBlur, 5), (A.MedianBlur, 7), (A.MedianBlur, 21), (A.GaussianBlur, 7)):
    t = kind((side, side), p=1)
    measure("%s-%d" % (kind.__name__, side), lambda: t(image=image), 20)
pipelines = [A.load(os.path.join(recipes, name + ".json")) for name in ("basic", "affine", "distort")]
for name, p in zip(("basic", "affine", "distort"), pipelines):
    measure(name, lambda: p(image=image), 300)
if photos:
    start = time.process_time()
    with tempfile.TemporaryDirectory() as out:
        for photo in photos:
            rgb = cv2.cvtColor(cv2.imread(photo), cv2.COLOR_BGR2RGB)
            for i, p in enumerate(pipelines):
                cv2.imwrite(os.path.join(out, "%d.jpg" % i), cv2.cvtColor(p(image=rgb)["image"], cv2.COLOR_RGB2BGR))
    print("files\t%.6f" % (1000 * (time.process_time() - start) / len(photos)))
