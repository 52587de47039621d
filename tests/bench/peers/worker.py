"""worker.py WHAT ... -- one configuration of a peer, in a process of its own, on two threads, float32.

    train HOW ARCH ATTENTION BATCH       HOW: eager, channels_last, compiled (with channels_last)
    predict HOW MODEL BATCH              HOW: eager, channels_last (MODEL.safetensors), onnxruntime, openvino (MODEL.onnx)
    load LIST                            the photos of a list through torchvision's transforms for training
    first HOW MODEL PHOTO                one prediction, printed; then the process ends. HOW: torch, onnxruntime, openvino

The first three say "ready" when they are warm; for each number on stdin they do so many steps (photos) and answer with the seconds
that those took, for "memory" with the most MiB that were resident."""
import resource
import sys
import time

THREADS = 2
SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def serve(step):
    """step(n) does n of them."""
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            print("%.1f" % (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024), flush=True)
            continue
        begun = time.perf_counter()
        step(int(line))
        print("%.9f" % (time.perf_counter() - begun), flush=True)


def torch_net(how, net, torch):
    torch.set_num_threads(THREADS)
    return net if how == "eager" else net.to(memory_format=torch.channels_last)


def train(how, arch, attention, batch):
    import torch

    from net import Net
    torch.manual_seed(1)
    net = torch_net(how, Net(arch, attention).train(), torch)
    x, labels = torch.randn(int(batch), 3, SIZE, SIZE), torch.arange(int(batch)) % 6
    if how != "eager":
        x = x.contiguous(memory_format=torch.channels_last)
    forward = torch.compile(net) if how == "compiled" else net
    sgd = torch.optim.SGD(net.parameters(), 1e-4, momentum=0.9, weight_decay=1e-4, fused=True if how == "compiled" else None)

    def step(n):
        for _ in range(n):
            loss = torch.nn.functional.cross_entropy(forward(x), labels)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            loss.item()

    step(2)
    serve(step)


def predictor(how, model, batch):
    """A function from float32 (N,3,H,W) to probabilities or logits."""
    if how == "onnxruntime":
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
        session = onnxruntime.InferenceSession(model + ".onnx", options, providers=["CPUExecutionProvider"])
        return lambda x: session.run(None, {"images": x})[0]
    if how == "openvino":
        import openvino
        core = openvino.Core()
        net = core.read_model(model + ".onnx")
        net.reshape([batch, 3, SIZE, SIZE])
        compiled = core.compile_model(net, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": THREADS,
                                                   "INFERENCE_PRECISION_HINT": "f32"})
        request = compiled.create_infer_request()
        return lambda x: request.infer([x], share_inputs=True)[0]
    import torch

    from net import Net, load
    from networks import NETWORKS
    net = torch_net(how, load(Net(*NETWORKS[model]), model + ".safetensors").eval(), torch)

    def run(x):
        x = torch.from_numpy(x)
        with torch.no_grad():
            return net(x if how == "eager" else x.contiguous(memory_format=torch.channels_last)).numpy()

    return run


def predict(how, model, batch):
    import numpy as np
    run = predictor(how, model, int(batch))
    x = np.random.default_rng(1).standard_normal((int(batch), 3, SIZE, SIZE), np.float32)

    def step(n):
        for _ in range(n):
            run(x)

    step(3)
    serve(step)


def load_photos(path):
    import torch
    from PIL import Image
    from torchvision import transforms as T
    torch.set_num_threads(1)
    photos = open(path).read().split("\n")[:-1]
    transform = T.Compose([T.RandomResizedCrop(SIZE), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(MEAN, STD)])

    def step(n):
        batch = []
        for i in range(n):
            with open(photos[i % len(photos)], "rb") as file:
                batch.append(transform(Image.open(file).convert("RGB")))
            if len(batch) == 16:
                torch.stack(batch)
                batch = []

    step(16)
    serve(step)


def first(how, model, photo):
    """As a user's script would do it, with the imports that it would have."""
    from PIL import Image
    image = Image.open(photo).convert("RGB")
    if how == "torch":
        import torch
        from torchvision import transforms as T

        from net import Net
        torch.set_num_threads(THREADS)
        net = Net("resnet18", "ours")
        net.load_state_dict(torch.load(model + ".pth"))
        net.eval()
        x = T.Compose([T.Resize(256), T.CenterCrop(SIZE), T.ToTensor(), T.Normalize(MEAN, STD)])(image)
        with torch.no_grad():
            probs = net(x[None]).softmax(1)[0].numpy()
    else:
        import numpy as np
        w, h = image.size
        scale = 256 / min(w, h)
        w, h = int(w * scale), int(h * scale)
        image = image.resize((w, h), Image.BILINEAR)
        left, top = (w - SIZE) // 2, (h - SIZE) // 2
        pixels = np.asarray(image.crop((left, top, left + SIZE, top + SIZE)))
        x = ((pixels / np.float32(255) - np.array(MEAN, np.float32)) / np.array(STD, np.float32)).transpose(2, 0, 1)[None]
        probs = predictor(how, model, 1)(np.ascontiguousarray(x))[0]
    print(photo, int(probs.argmax()), float(probs.max()))


if __name__ == "__main__":
    {"train": train, "predict": predict, "load": load_photos, "first": first}[sys.argv[1]](*sys.argv[2:])
