"""PyTorch's speed on the first GPU, for tests/cuda/gpu-verify. One process for all of it: starting takes seconds.
stdin: lines "train|predict PRECISION DEPTH BATCH SIZE eager|compile". stdout: its version in a first line; then for each line
images a second, the median of three measurements (least to most), or "-" and why not."""
import statistics
import sys
import time

import torch
import torchvision

SECONDS, WARM = 1.0, 5


def step_of(job, precision, depth, batch, size, how):
    """A function that starts one step's work on one batch."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    net = getattr(torchvision.models, "resnet" + depth)(num_classes=6).cuda().to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, size, size, device="cuda").to(memory_format=torch.channels_last)
    y = torch.randint(6, (batch,), device="cuda")
    opt = torch.optim.SGD(net.parameters(), 1e-4, momentum=0.9, weight_decay=1e-4)
    net.train(job == "train")
    run = torch.compile(net) if how == "compile" else net

    def train():
        opt.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
            loss = torch.nn.functional.cross_entropy(run(x), y)
        loss.backward()
        opt.step()

    def predict():
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
            run(x).float().softmax(1)

    return train if job == "train" else predict


def measure(step, batch):
    steps, start = 0, time.perf_counter()
    while steps < WARM or time.perf_counter() - start < SECONDS:
        step()
        steps += 1
        if steps % WARM == 0:
            torch.cuda.synchronize()
    torch.cuda.synchronize()
    return steps * batch / (time.perf_counter() - start)


def speed(job, precision, depth, batch, size, how):
    step = step_of(job, precision, depth, batch, size, how)
    for _ in range(WARM):
        step()
    torch.cuda.synchronize()
    found = [measure(step, batch) for _ in range(3)]
    return "%.0f (%.0f to %.0f)" % (statistics.median(found), min(found), max(found))


def main():
    torch.zeros(1, device="cuda")
    torch.backends.cudnn.benchmark = True
    print(torch.__version__, flush=True)
    for line in sys.stdin:
        job, precision, depth, batch, size, how = line.split()
        try:
            print(speed(job, precision, depth, int(batch), int(size), how), flush=True)
        except Exception as error:  # too little memory is one row's matter
            print("- (%s)" % type(error).__name__, flush=True)
        torch.cuda.empty_cache()


main()
