"""Draw the digit of a request in the terminal, and say what an answer made of it.

python show.py REQUEST.json [ANSWER.json]
"""

import json
import sys
from pathlib import Path

SHADES = " .:-=+*#%@"


def main(request: Path, answer: Path | None) -> None:
    """Draw the 8x8 image, whose values go from 0 to 16; with an answer print its label instead."""
    if answer is None:
        (pixels,) = json.loads(request.read_text())["image"]
        for row in range(8):
            shades = [SHADES[round(value / 16 * 9)] for value in pixels[row * 8 : row * 8 + 8]]
            print("    " + "".join(shade * 2 for shade in shades))
        return
    answered = json.loads(answer.read_text())
    (label,) = answered["label"]
    (probabilities,) = answered["probabilities"]
    print(f"    It is a {label}, with probability {probabilities[label]:.4f}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
