"""Unpacks from a wheel or a libtorch zip only what openretina builds and runs with.

Usage: unpack.py ARCHIVE PREFIX [--cuda]
Needs nothing but Python 3.8's standard library.
"""

import os
import re
import shutil
import sys
import zipfile

# Where a member goes, by its name in the archive; what matches no row is left out.
PLACES = [
    # torch's wheel and the official zip differ only in the name of their top folder.
    (r"(?:torch|libtorch)/((?:include|share)/.+)", r"torch/\1"),
    (r"(?:torch|libtorch)/(lib/[^/]+\.so[^/]*)", r"torch/\1"),
    (r"(nvidia/.+/lib/[^/]+\.so[^/]*)", r"\1"),
    (r"h5py\.libs/(lib(?:hdf5|sz|aec)-[^/]+)", r"hdf5/lib/\1"),
    (r"([^/]+)\.dist-info/(?:licenses/)?((?:LICEN[CS]E|License|NOTICE|licenses|lzf).*)", r"licenses/\1/\2"),
]

# Libraries that nothing of ours loads: torch's Python half, debugging and profiling tools, second flavours.
LEFT_OUT = re.compile(
    r"lib(torch_python|shm|torch_global_deps|torch|caffe2_detectron_ops\w*|nvperf_\w+|checkpoint|pcsamplingutil"
    r"|nvblas|cufftw|cusolverMg|cufile_rdma)\.so[.\d]*|.*\.alt\.so[.\d]*|libtorchbind_test\.so|libjitbackend_test\.so"
)
CUDA_ONLY = re.compile(r"lib(torch_cuda\w*|c10_cuda|caffe2_nvrtc|torch_nvshmem)\.so")


def place(name, cuda):
    """Returns the path under the prefix for an archive member, or None to leave it out."""
    base = name.rsplit("/", 1)[-1]
    if not base or ".." in name.split("/") or LEFT_OUT.fullmatch(base):
        return None
    if not cuda and CUDA_ONLY.fullmatch(base):
        return None
    for pattern, target in PLACES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(target)
    return None


def unpack(archive, prefix, cuda):
    """Writes the wanted members of archive below prefix and returns how many there were."""
    count = 0
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            path = place(member.filename, cuda)
            if path is None:
                continue
            target = os.path.join(prefix, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with members.open(member) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            count += 1
    return count


def main():
    cuda = "--cuda" in sys.argv[1:]
    arguments = [a for a in sys.argv[1:] if a != "--cuda"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    archive, prefix = arguments
    try:
        if unpack(archive, prefix, cuda) == 0:
            sys.exit(f"{archive}: holds no library that openretina needs")
    except zipfile.BadZipFile as error:
        sys.exit(f"{archive}: damaged: {error}")
    except OSError as error:
        sys.exit(f"{archive}: {error.strerror or error}")


if __name__ == "__main__":
    main()
