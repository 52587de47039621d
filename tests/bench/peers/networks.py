"""What is measured in prediction: the file's name, and the network in it."""
NETWORKS = {"model": ("resnet18", "ours"), "model50": ("resnet50", "none")}
