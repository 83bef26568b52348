"""One thread for PyTorch and BLAS: the networks of tests are small, and other processes test on the other cores.

Import it before PyTorch.
"""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
