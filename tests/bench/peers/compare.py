"""compare.py -- our tools and their peers in turns: A B A B, medians of the ratios of neighbours. Called by tests/bench/peers/run,
which says in the environment: BUILD, PHOTOS (a folder with a folder for each class), ROUNDS, ONLY (how names of what is measured begin, by comma),
ALONE. Writes $BUILD/bench/peers.tsv (every round) and $BUILD/bench/peers.md (the table)."""
import atexit
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version

from networks import NETWORKS

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ["BUILD"]
PHOTOS = os.environ["PHOTOS"]
ROUNDS = int(os.environ.get("ROUNDS") or 5)
ALONE = bool(os.environ.get("ALONE"))
ONLY = tuple((os.environ.get("ONLY") or "train,predict,loader,start").split(","))
THREADS = 2
SAMPLES = 256 # photos of the loader
CC = os.environ.get("CC") or "cc"

raw, table, notes = [], [], []


class Failed(Exception):
    pass


def say(text):
    print(text, file=sys.stderr, flush=True)


def tool(command, **how):
    """A command line of our tools; its output."""
    done = subprocess.run("set -o pipefail; " + command, shell=True, executable="/bin/bash", stdout=subprocess.PIPE, **how)
    if done.returncode:
        raise Failed("%s: exit %d" % (command, done.returncode))
    return done.stdout


def hurry(process, on=True):
    """With ALONE, who is measured comes before everybody else on this machine."""
    if ALONE:
        for thread in os.listdir("/proc/%d/task" % process):
            os.sched_setscheduler(int(thread), os.SCHED_RR if on else os.SCHED_OTHER, os.sched_param(int(on)))


class Worker:
    """A process that serves steps. It is stopped while others are measured: a thread that waits by spinning costs them time."""

    def __init__(self, name, *argv):
        self.name = name
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1,
                                        start_new_session=True)
        atexit.register(self.close)
        self.answer("ready")
        self.stop()

    def answer(self, expected=None):
        line = self.process.stdout.readline().strip()
        if not line or (expected and line != expected):
            self.log.seek(0)
            said = self.log.read().decode(errors="replace").strip().split("\n")
            self.close()
            raise Failed("%s: %s" % (self.name, said[-1] or "no answer"))
        return line

    def stop(self):
        os.killpg(self.process.pid, signal.SIGSTOP)

    def ask(self, what):
        hurry(self.process.pid)
        os.killpg(self.process.pid, signal.SIGCONT)
        self.process.stdin.write("%s\n" % what)
        answer = float(self.answer())
        self.stop()
        return answer

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Tools:
    """Fresh processes with a pipe from each to the next: seconds of a run, and the sum of their peaks in MiB."""

    def __init__(self, name, *commands):
        self.name, self.commands, self.peak = name, commands, 0.0
        self.ask(1)

    def ask(self, what):
        if what == "memory":
            return self.peak
        hurry(os.getpid())
        try:
            begun = time.perf_counter()
            peak = self.run()
            took = time.perf_counter() - begun
        finally:
            hurry(os.getpid(), False)
        self.peak = max(self.peak, peak)
        return took

    def run(self):
        before, running, peak = subprocess.DEVNULL, [], 0.0
        for i, command in enumerate(self.commands):
            last = i == len(self.commands) - 1
            p = subprocess.Popen(command, stdin=before, stdout=subprocess.DEVNULL if last else subprocess.PIPE,
                                 stderr=subprocess.PIPE if last else None)
            if before is not subprocess.DEVNULL:
                before.close()
            before = p.stdout
            running.append(p)
        said = running[-1].stderr.read().decode(errors="replace").strip().split("\n")[-1]
        running[-1].stderr.close()
        for p in running:
            _, status, usage = os.wait4(p.pid, 0)
            p.returncode = status
            if status:
                raise Failed("%s: %s" % (self.name, said or "status %d" % status))
            peak += usage.ru_maxrss / 1024
        return peak

    def close(self):
        pass


def ours_step(mode, arch, attention, batch):
    options = ["-m", mode, "-a", arch, "-t", attention, "-b", str(batch), "-j", str(THREADS)]
    return lambda: Worker("ours", BUILD + "/bench/step", "--serve", *options)


def peer(name, *argv):
    return lambda: Worker(name, sys.executable, HERE + "/worker.py", *map(str, argv))


def compare(title, unit, per, ours, peers, steps=1):
    """per: units a step. Ours is measured anew beside each peer, so that a ratio is of neighbours."""
    if not title.startswith(ONLY):
        return
    say("== " + title)
    a = ours()
    for open_peer in peers:
        try:
            b = open_peer()
        except Failed as failed:
            notes.append("%s: %s" % (title, failed))
            say("   " + notes[-1])
            continue
        mine, theirs = [], []
        try:
            for turn in range(ROUNDS):
                mine.append(a.ask(steps) / (steps * per))
                theirs.append(b.ask(steps) / (steps * per))
                raw.append((title, b.name, turn, unit, mine[-1] * 1e3, theirs[-1] * 1e3, theirs[-1] / mine[-1]))
            row = (title, b.name, unit, mine, theirs, a.ask("memory"), b.ask("memory"))
            table.append(row)
            say(line(row))
            report()
        except Failed as failed:
            notes.append("%s: %s" % (title, failed))
        b.close()
    a.close()


def line(row):
    title, name, unit, mine, theirs, my_memory, their_memory = row
    ratios = sorted(b / a for a, b in zip(mine, theirs))
    return "| %s | %s | %.2f | %.2f | **%.2f** (%.2f–%.2f) | %.0f | %.0f |" % (
        title, name, 1e3 * statistics.median(mine), 1e3 * statistics.median(theirs), statistics.median(ratios), ratios[0], ratios[-1],
        my_memory, their_memory)


def check():
    """In a process of its own: a child's peak of memory begins with what its parent has."""
    say("== the same is computed")
    if subprocess.run([sys.executable, HERE + "/same.py"], stdout=sys.stderr).returncode:
        raise Failed("ours and PyTorch's networks differ")


# ---- the parts ----

def train():
    how = (("eager NCHW", "eager"), ("eager channels_last", "channels_last"), ("compiled, channels_last", "compiled"))
    for arch, attention, ways, steps in (("resnet18", "ours", how, 2), ("resnet34", "none", how[:2], 1), ("resnet50", "none", how[:2], 1)):
        compare("train %s b16" % arch, "ms an image", 16, ours_step("train", arch, attention, 16),
                [peer("PyTorch " + name, "train", way, arch, attention, 16) for name, way in ways], steps)


def predict():
    ways = (("OpenVINO", "openvino"), ("ONNX Runtime", "onnxruntime"), ("PyTorch eager NCHW", "eager"),
            ("PyTorch eager channels_last", "channels_last"))
    for model, batch, steps, ways in (("model", 16, 4, ways), ("model", 1, 40, ways), ("model50", 16, 1, ways[:2])):
        arch, attention = NETWORKS[model]
        compare("predict %s b%d" % (arch, batch), "ms an image", batch, ours_step("predict", arch, attention, batch),
                [peer(name, "predict", way, model, batch) for name, way in ways], steps)


def loader():
    compare("loader --train, one thread", "ms a photo", 1,
            lambda: Tools("ours", ["rn-batch", "--train", "-j", "1", "samples.rn"]), [peer("PIL + torchvision", "load", "samples")], SAMPLES)


def start():
    def ours():
        return Tools("ours", ["rn-list", "--unlabeled", "one"], ["rn-batch", "--for", "model.rn"], ["rn-predict", "-m", "model.rn", "--tsv"])

    compare("start to the first prediction", "ms", 1, ours,
            [lambda name=name, how=how: Tools(name, [sys.executable, HERE + "/worker.py", "first", how, "model", "one/photo.jpg"])
             for name, how in (("PyTorch", "torch"), ("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino"))])


def prepare():
    """In the current folder: lists of photos, and a model (of one step of training) in every format."""
    paths = sorted(os.path.join(folder, name) for folder, _, names in os.walk(PHOTOS) for name in names if name.endswith(".jpg"))
    classes = {os.path.basename(os.path.dirname(path)): path for path in paths}
    if len(classes) != 6:
        raise Failed("%s: not photos of six classes" % PHOTOS)
    chosen = (paths[:: max(1, len(paths) // SAMPLES)] * SAMPLES)[:SAMPLES]
    os.makedirs("one")
    os.symlink(chosen[0], "one/photo.jpg")
    with open("samples", "w") as file:
        file.writelines(path + "\n" for path in chosen)
    for name, path in classes.items():
        os.makedirs("few/" + name)
        os.symlink(path, "few/%s/photo.jpg" % name)
    tool("rn-list --files-from samples -o samples.rn")
    for model, (arch, attention) in NETWORKS.items():
        tool("rn-list few | rn-batch --train | rn-train -q -a %s -t %s -o of-%s && rn-export of-%s/last.rn -o %s.safetensors" %
             (arch, attention, model, model, model))
        tool("rn-import -a %s -t %s --classes %s %s.safetensors -o %s.rn" % (arch, attention, ",".join(sorted(classes)), model, model))
        tool("rn-export %s.rn -o %s.onnx" % (model, model))


def report():
    """Written anew after each comparison, so that what was measured is there when the rest is not."""
    with open("/proc/cpuinfo") as file:
        names = {x.split(":")[1].strip() for x in file if x.startswith("model name")}
    packages = ", ".join("%s %s" % (p, version(p)) for p in ("torch", "torchvision", "onnxruntime", "openvino", "pillow", "numpy"))
    ours = tool("rn-train --version").decode().strip()
    text = ["%s · %s · %d threads, float32 · %d rounds · load %.1f at the end%s" % (
        date.today(), ", ".join(sorted(names)) or platform.machine(), THREADS, ROUNDS, os.getloadavg()[0],
        ", measured under SCHED_RR" if ALONE else ""),
        "%s, %s · %s, Python %s" % (ours, tool(CC + " --version").decode().split("\n")[0], packages, platform.python_version()), "",
        "| what | beside | ours, ms | theirs, ms | times faster (least–most) | ours, MiB | theirs, MiB |", "|---|---|---:|---:|---:|---:|---:|"]
    text += [line(row) for row in table]
    text += [""] + ["Not measured: " + note for note in notes] if notes else []
    with open(BUILD + "/bench/peers.md", "w") as file:
        file.write("\n".join(text) + "\n")
    with open(BUILD + "/bench/peers.tsv", "w") as file:
        file.write("what\tpeer\tround\tunit\tours\ttheirs\tratio\n")
        file.writelines("%s\t%s\t%d\t%s\t%.4f\t%.4f\t%.4f\n" % row for row in raw)
    return "\n".join(text)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare()
        check()
        for part in (train, predict, loader, start):
            part()
        os.chdir("/")
    if not table and not notes:
        raise Failed("ONLY=%s: nothing begins so" % ",".join(ONLY))
    print(report())
    return 1 if notes else 0


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that workers, who may be stopped, are not left behind
try:
    sys.exit(main())
except Failed as failed:
    sys.exit("compare.py: %s" % failed)
