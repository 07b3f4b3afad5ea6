"""Draw docs/contact_sheet.png: the first pictures of each object of the default simulated brain.

Usage: python perf/contact_sheet.py [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from brainbench.simulate.scenes import OBJECT_NAMES, draw_scenes, render

COLUMNS, SIDE, GAP, MARGIN = 6, 96, 4, 84
COLORS = 128  # a palette keeps the file small


def sheet() -> Image.Image:
    rendered = render(draw_scenes(images_per_object=COLUMNS))
    width = MARGIN + COLUMNS * (SIDE + GAP)
    page = Image.new("RGB", (width, GAP + len(OBJECT_NAMES) * (SIDE + GAP)), "white")
    write = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=15)
    for row, name in enumerate(OBJECT_NAMES):
        top = GAP + row * (SIDE + GAP)
        write.text((MARGIN - 8, top + SIDE // 2), name, fill="black", font=font, anchor="rm")
        for column in range(COLUMNS):
            picture = Image.fromarray(rendered[row * COLUMNS + column])
            small = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            page.paste(small, (MARGIN + column * (SIDE + GAP), top))
    return page.quantize(COLORS, dither=Image.Dither.FLOYDSTEINBERG)


def main() -> None:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/contact_sheet.png")
    sheet().save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
