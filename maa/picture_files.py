"""One picture file: read as a small square whatever its format, or refused in one line.

Conventions: a picture is float32 (3, size, size) in 0 … 1, red, green, blue.
Source: Section 4.3.  Notebook: 15_clip.
"""

import io
import struct
import warnings

import numpy as np
from PIL import Image

from maa import errors, inputs

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")  # what Pillow may try; each one more is a risk
MOST_BYTES = 64 * 2**20  # of one file
MOST_PIXELS = 40_000_000
DAMAGE = (OSError, ValueError, SyntaxError, EOFError, struct.error, TypeError, LookupError)
ORIENTATION = 0x0112  # the EXIF tag; 1 is upright
UPRIGHT = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # its value: Image.Transpose that undoes it


def read(source, size=None, *, root=None, follow_links=False):
    """The middle square of a picture file, upright, on white where it is transparent.

    source:              path, or (zip, member name)
    size:                side of the result; None keeps the short side of the picture
    root, follow_links:  as for maa.inputs.opened
    returns              (3, size, size) float32 in 0 … 1

    Raises MaaError I-EMPTY, I-FORMAT, I-BOMB (over 40 Mpx, or unpacking to too much), I-TRUNC or
    I-CORRUPT; A-… as maa.inputs.opened. Warns I-ANIMATED (the first frame is taken), I-UNIFORM.
    Notebook: 15_clip.
    """
    name = inputs.name_of(source)
    with inputs.opened(source, root=root, follow_links=follow_links) as file:
        content = file.read(MOST_BYTES + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's: our limit is lower, damaged EXIF is no matter
        flat, moves = _decoded(content, name)
    if moves:
        errors.warn("I-ANIMATED", f"{name} moves; its first frame is taken")
    if size is not None:
        flat = flat.resize((size, size), Image.Resampling.BICUBIC)
    picture = np.asarray(flat, np.float32).transpose(2, 0, 1) / 255
    if not np.ptp(picture, (1, 2)).any():
        errors.warn("I-UNIFORM", f"{name} has one colour all over; is that meant?")
    return np.ascontiguousarray(picture)


def captioned(source, caption, options):
    """(picture, its caption), as a corpus reads them; MaaError C-EMPTY if it has no words."""
    caption = caption.strip("| \t\n")  # bars stand between captions: see maa.picture_corpus
    if not caption:
        raise errors.MaaError("C-EMPTY", f"{inputs.name_of(source)} has an empty caption")
    return read(source, **options), caption


def _decoded(content, name):
    """(the middle square as an upright RGB image, True if it is the first of several frames)."""
    image = _opened(content, name)
    try:
        image.load()
        flat = _upright(_middle(image), image)
    except DAMAGE as fault:
        raise _damage(name, fault) from fault
    if image.format == "PNG" and b"IEND" not in content:
        raise _damage(name, "its end is missing, it is truncated")
    return flat, image.format != "MPO" and getattr(image, "is_animated", False)


def _opened(content, name):
    """The image, its header read and its pixels not: a bomb is refused before it unpacks."""
    if not content:
        raise errors.MaaError("I-EMPTY", f"{name} has 0 bytes, expected a picture")
    if len(content) > MOST_BYTES:
        raise errors.MaaError("I-BOMB", f"{name} is over {MOST_BYTES >> 20} MiB, expected less")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as fault:
        raise errors.MaaError("I-BOMB", f"{name} is refused: {fault}") from fault
    except Image.UnidentifiedImageError as fault:
        raise errors.MaaError(
            "I-FORMAT", f"{name} begins with {content[:16]!r}, expected a picture, one of "
            f"{', '.join(FORMATS)}; is it a web page, a drawing in SVG or damaged?") from fault
    except DAMAGE as fault:
        raise _damage(name, fault) from fault
    if not 0 < image.width * image.height <= MOST_PIXELS:
        raise errors.MaaError(
            "I-BOMB", f"{name} has {image.width} × {image.height} pixels, expected 1 to "
            f"{MOST_PIXELS // 10**6} million; make it smaller first")
    return image


def _middle(image):
    """The middle square as RGB, 8 bits; what is transparent becomes white."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    if image.mode.startswith("I"):  # 16 bits of grey, which convert() would clip to white
        image = Image.fromarray((np.asarray(image, np.float32) / 257 + 0.5).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _upright(flat, image):
    """The flat picture turned as the EXIF data of its image say, where they can be read."""
    try:
        orientation = image.getexif().get(ORIENTATION)
    except DAMAGE:
        return flat
    return flat.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else flat


def _damage(name, fault):
    text = str(fault)
    if "too large" in text or "Too much" in text:  # Pillow's limits of texts and profiles
        return errors.MaaError("I-BOMB", f"{name} holds data that unpack to too much ({text})")
    if "truncated" in text.lower():
        return errors.MaaError("I-TRUNC", f"{name} ends too early ({text}); was the copy cut?")
    return errors.MaaError("I-CORRUPT", f"{name} is damaged inside ({text}); fetch it again")
