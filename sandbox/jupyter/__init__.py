"""The sandbox as a Jupyter kernel: its front, its provisioner, its kernelspec."""
