"""Downloads one file, checking its SHA-256 when the address ends in #sha256=HEX.

Usage: fetch.py URL FILE
Needs nothing but Python 3.8's standard library; proxies come from the environment.
"""

import hashlib
import sys
import urllib.error
import urllib.request


def fetch(url, path, wanted):
    """Writes what url answers to path; raises ValueError when it is cut short or not the wanted file."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=60) as answer, open(path, "wb") as sink:
        size, got = answer.headers.get("Content-Length"), 0
        while block := answer.read(1 << 20):
            sink.write(block)
            digest.update(block)
            got += len(block)
    if size is not None and int(size) != got:
        raise ValueError(f"cut short after {got} of {size} bytes")
    if wanted and digest.hexdigest() != wanted.lower():
        raise ValueError(f"its SHA-256 is {digest.hexdigest()}, not {wanted}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    url, _, fragment = sys.argv[1].partition("#")
    kind, _, wanted = fragment.partition("=")
    if fragment and kind != "sha256":
        sys.exit(f"{sys.argv[1]}: after # only sha256=HEX is understood")
    try:
        fetch(url, sys.argv[2], wanted)
    except urllib.error.URLError as error:
        sys.exit(f"{url}: {error.reason}")
    except (OSError, ValueError) as error:
        sys.exit(f"{url}: {error}")


if __name__ == "__main__":
    main()
